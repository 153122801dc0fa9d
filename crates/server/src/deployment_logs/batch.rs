//! What is written of Deployments' logs in one transaction.

use std::{iter::Peekable, vec};

use airlock_contract::{DeploymentId, wire::LogSource};
use airlock_store::deployment_logs::LogLine;

use super::{Piece, lines};

/// How many pieces, and how many bytes of lines ([`lines::size`]), are written in one transaction,
/// which on SQLite holds up everybody who writes. The piece that goes past it is written whole, so
/// there are up to [`lines::MOST_OF_A_PIECE`] more.
const PIECES_AT_ONCE: usize = 200;
const BYTES_AT_ONCE: usize = 256 << 10;

/// Pieces of one Deployment's logs, and their lines.
pub(super) struct Batch {
    deployment: DeploymentId,
    pieces: Vec<Piece>,
    lines: Vec<LogLine>,
    bytes: usize,
}

impl Batch {
    /// Takes the next ones of pieces that stand one Deployment's after the other's. `id` names the
    /// lines.
    pub(super) fn take(pieces: &mut Peekable<vec::IntoIter<Piece>>, id: &str) -> Option<Self> {
        let deployment = pieces.peek()?.deployment.clone();
        let mut batch = Self { deployment, pieces: Vec::new(), lines: Vec::new(), bytes: 0 };
        while batch.has_room()
            && let Some(piece) = pieces.next_if(|piece| piece.deployment == batch.deployment)
        {
            batch.add(piece, id);
        }
        Some(batch)
    }

    fn has_room(&self) -> bool {
        self.pieces.len() < PIECES_AT_ONCE && self.bytes < BYTES_AT_ONCE
    }

    fn add(&mut self, piece: Piece, id: &str) {
        let (source, lines) = piece.lines();
        self.bytes += lines.iter().map(|line| lines::size(line)).sum::<usize>();
        let numbered = (i64::try_from(self.lines.len()).unwrap_or(i64::MAX)..).zip(lines);
        self.lines.extend(numbered.map(|(line, raw)| LogLine { at: piece.at, id: id.to_owned(), line, source, raw }));
        self.pieces.push(piece);
    }

    /// Whose logs they are of.
    pub(super) fn deployment(&self) -> &DeploymentId {
        &self.deployment
    }

    /// Their lines, numbered as they came.
    pub(super) fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    /// The pieces, when they could not be written.
    pub(super) fn into_pieces(self) -> vec::IntoIter<Piece> {
        self.pieces.into_iter()
    }
}

impl Piece {
    /// Its lines, and where they are from.
    fn lines(&self) -> (LogSource, Vec<String>) {
        let text = self.held.text().unwrap_or_default();
        match &self.job {
            Some(key) => (LogSource::Worker, lines::of_task(key, text).unwrap_or_default()),
            None => (LogSource::Apiserver, vec![lines::kept(&String::from_utf8_lossy(text))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_contract::Time;
    use airlock_core::gate::path::JobKey;
    use serde_json::json;

    use super::{
        super::held::{Budget, Held},
        *,
    };

    fn piece(deployment: &str, log: &str) -> Piece {
        let text = |text: &str| text.to_owned();
        let job =
            JobKey { dag_id: text("dag"), task_id: text("task"), run_id: text("run"), try_number: 1, map_index: -1 };
        let mut held = Held::begin(&Budget::default()).expect("room");
        held.push(json!({"log_chunk_data": log}).to_string().as_bytes());
        Piece { deployment: deployment.into(), at: Time::from_micros(0), job: Some(job), held }
    }

    /// How many lines each batch has.
    fn batches(pieces: Vec<Piece>) -> Vec<(String, usize)> {
        let mut pieces = pieces.into_iter().peekable();
        let mut found = Vec::new();
        while let Some(batch) = Batch::take(&mut pieces, "id") {
            assert!(batch.lines.iter().zip(0..).all(|(line, number)| line.line == number));
            assert!(batch.bytes < BYTES_AT_ONCE + lines::MOST_OF_A_PIECE + 1000);
            found.push((batch.deployment.to_string(), batch.lines.len()));
        }
        found
    }

    #[test]
    fn batches_are_of_one_deployment_and_bounded_by_what_is_written() {
        assert_eq!(batches(Vec::new()), []);
        let few = [("a", 1), ("a", 2), ("b", 1)].map(|(deployment, lines)| piece(deployment, &"x\n".repeat(lines)));
        assert_eq!(batches(few.into()), [("a".into(), 3), ("b".into(), 1)]);
        // 2000 bytes as they came, and about 150,000 as they are written.
        let short = (0..5).map(|_| piece("a", &"x\n".repeat(1000))).collect();
        assert_eq!(batches(short), [("a".into(), 2000), ("a".into(), 2000), ("a".into(), 1000)]);
        let pieces = (0..=PIECES_AT_ONCE).map(|_| piece("a", "x")).collect();
        assert_eq!(batches(pieces), [("a".into(), PIECES_AT_ONCE), ("a".into(), 1)]);
        let huge = (0..2).map(|_| piece("a", &"x\n".repeat(1_000_000))).collect();
        assert_eq!(batches(huge).len(), 2);
    }
}
