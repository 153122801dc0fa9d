//! From what came to lines that are kept.

use airlock_core::gate::path::JobKey;
use serde::Deserialize;

/// The longest line that is kept, in bytes of UTF-8. The rest of a longer one is left out.
const LONGEST: usize = 8 << 10;

/// What a worker sends of a log (`PushLogsBody`).
#[derive(Deserialize)]
struct Chunk {
    log_chunk_data: String,
}

/// The lines of a piece of a task's log, each with the task that it is of; `None` when the piece
/// cannot be read.
pub(super) fn of_task(key: &JobKey, body: &[u8]) -> Option<Vec<String>> {
    let chunk: Chunk = serde_json::from_slice(body).ok()?;
    let lines = chunk.log_chunk_data.lines().filter(|line| !line.trim().is_empty());
    Some(lines.map(|line| kept(&format!("{key}: {line}"))).collect())
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
}
