//! From what came to lines that are kept.

use airlock_core::gate::path::JobKey;
use serde::Deserialize;

/// The longest line that is kept, in bytes of UTF-8. The rest of a longer one is left out.
const LONGEST: usize = 8 << 10;

/// How much of a piece is kept, by the sizes of its lines ([`size`]). Each line has its task before it
/// and a row of its own, so a few megabytes of short ones would become hundreds. What a worker sends at
/// once, 512 KiB unless Airflow's `[edge] push_log_chunk_size` says otherwise, has room.
pub(super) const MOST_OF_A_PIECE: usize = 2 << 20;

/// What a line takes besides its text, about: in memory, and in the database.
const OVERHEAD: usize = 128;

/// What a worker sends of a log (`PushLogsBody`).
#[derive(Deserialize)]
struct Chunk {
    log_chunk_data: String,
}

/// The lines of a piece of a task's log, each with the task that it is of; `None` when the piece
/// cannot be read. Of one that is too large there are the first lines, and one that says how many are
/// not there.
pub(super) fn of_task(key: &JobKey, body: &[u8]) -> Option<Vec<String>> {
    let chunk: Chunk = serde_json::from_slice(body).ok()?;
    let mut coming = chunk.log_chunk_data.lines().filter(|line| !line.trim().is_empty());
    let mut lines = Vec::new();
    let mut taken = 0;
    while let Some(line) = coming.next() {
        let line = kept(&format!("{key}: {line}"));
        taken += size(&line);
        if taken > MOST_OF_A_PIECE {
            let more = coming.count() + 1;
            lines.push(kept(&format!("{key}: left out {more} more lines: too many came at once")));
            break;
        }
        lines.push(line);
    }
    Some(lines)
}

/// How many bytes a line takes, about.
pub(super) fn size(line: &str) -> usize {
    line.len() + OVERHEAD
}

/// A line as it is kept: of bounded length, and without NUL, which PostgreSQL's texts do not have.
pub(super) fn kept(line: &str) -> String {
    let end = line.floor_char_boundary(LONGEST);
    let mut kept = line.get(..end).unwrap_or_default().replace('\0', "\u{fffd}");
    if end < line.len() {
        kept.push_str("...");
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(map_index: i64) -> JobKey {
        let text = |text: &str| text.to_owned();
        JobKey { dag_id: text("dag"), task_id: text("task"), run_id: text("run"), try_number: 2, map_index }
    }

    #[test]
    fn lines_of_a_piece() {
        let body = json!({"log_chunk_data": "one\n\n  \r\ntwo\u{0}\r\nthree", "log_chunk_time": "x"}).to_string();
        let lines = of_task(&key(-1), body.as_bytes()).expect("a piece");
        assert_eq!(lines, ["dag/task/run/2/-1: one", "dag/task/run/2/-1: two\u{fffd}", "dag/task/run/2/-1: three"]);
        let body = json!({"log_chunk_data": "ä".repeat(LONGEST)}).to_string();
        let lines = of_task(&key(3), body.as_bytes()).expect("a piece");
        assert!(lines[0].starts_with("dag/task/run/2/3: ä") && lines[0].ends_with("ä..."));
        assert!(lines[0].len() <= LONGEST + 3);
        for body in [&b""[..], b"{}", b"[]", b"{\"log_chunk_data\": 7}", b"{\"log_chunk_data\": \"\xff\"}"] {
            assert_eq!(of_task(&key(-1), body), None);
        }
    }

    /// However short its lines are.
    #[test]
    fn a_piece_of_many_lines_is_bounded() {
        for count in [1_400_000, 20_000] {
            let body = json!({"log_chunk_data": "a\n".repeat(count)}).to_string();
            let lines = of_task(&key(-1), body.as_bytes()).expect("a piece");
            let (last, first) = lines.split_last().expect("lines");
            assert!(first.iter().all(|line| line == "dag/task/run/2/-1: a"));
            let taken: usize = first.iter().map(|line| size(line)).sum();
            assert!(taken <= MOST_OF_A_PIECE && taken > MOST_OF_A_PIECE - 200, "{taken}");
            let more = count - first.len();
            assert_eq!(*last, format!("dag/task/run/2/-1: left out {more} more lines: too many came at once"));
        }
        let whole = json!({"log_chunk_data": format!("{}\n", "x".repeat(99)).repeat(5243)}).to_string(); // 512 KiB
        assert_eq!(of_task(&key(-1), whole.as_bytes()).expect("a piece").len(), 5243);
    }
}
