//! Reads along while a piece of a log goes through the gate.
//!
//! The path says which job the log is of, but the body may have a `task_instance_id` besides, and
//! Airflow writes into the log file of that task (`edge3/worker_api/routes/logs.py`). So it must be
//! that of the job. It stands at the end, behind a text of up to some megabytes; to keep none of
//! it, the JSON is followed byte by byte, and the body breaks off before the Airflow has it whole.
//!
//! Airflow reads the body with Python's `json`, which takes the last of several equal keys, any of
//! UTF-8, UTF-16 and UTF-32, and escapes in keys. Here every such key counts, and what is spelled
//! in another way than a worker spells it is refused.

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not what a worker sends.
    Odd,
    /// It is about another task.
    OtherTask,
}

use crate::deployment_logs::LogCopy;

/// The one key that matters.
const KEY: &[u8] = b"task_instance_id";

/// The longest text that is looked at: longer than the key, and than a UUID.
const LONGEST: usize = 40;

/// How many bytes of a text are looked at at once.
const BLOCK: usize = 64;

/// Follows a JSON object.
pub(crate) struct LogBody {
    /// The task of the job.
    task: String,
    depth: u32,
    at: At,
    /// Whether the next text, in the object itself, is a key.
    expects_key: bool,
    /// Whether the value that stands, or comes, is that of [`KEY`].
    is_task: bool,
    /// The text that is being read, where it matters.
    text: Vec<u8>,
    /// What takes a copy, if one is kept.
    copy: Option<LogCopy>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Outside,
    Key,
    Task,
    Text,
    Escape,
}

impl LogBody {
    /// For the log of a job's task.
    pub(crate) fn of(task: &str, copy: Option<LogCopy>) -> Self {
        Self {
            task: task.to_owned(),
            depth: 0,
            at: At::Outside,
            expects_key: false,
            is_task: false,
            text: Vec::with_capacity(LONGEST),
            copy,
        }
    }

    /// Reads on.
    ///
    /// # Errors
    ///
    /// What is wrong; the bytes must not go on then.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        for block in bytes.chunks(BLOCK) {
            if self.at == At::Text && goes_on(block) {
                self.at = if block.ends_with(b"\\") { At::Escape } else { At::Text };
            } else {
                block.iter().try_for_each(|&byte| self.step(byte))?;
            }
        }
        if let Some(copy) = &self.copy {
            copy.push(bytes);
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        match (self.at, byte) {
            (At::Escape, _) => self.at = At::Text,
            (At::Text, b'\\') => self.at = At::Escape,
            (At::Text, b'"') => self.at = At::Outside,
            (At::Text, _) => {}
            (At::Key | At::Task, b'\\') => return Err(Fault::Odd),
            (At::Key, b'"') => {
                self.is_task = self.text == KEY;
                self.at = At::Outside;
            }
            (At::Task, b'"') if self.text == self.task.as_bytes() => self.at = At::Outside,
            (At::Task, b'"') => return Err(Fault::OtherTask),
            (At::Key | At::Task, _) => {
                if self.text.len() < LONGEST {
                    self.text.push(byte);
                }
            }
            (At::Outside, _) => return self.outside(byte),
        }
        Ok(())
    }

    fn outside(&mut self, byte: u8) -> Result<(), Fault> {
        let is_top = self.depth == 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' if self.depth == 0 => {
                self.depth = 1;
                self.expects_key = true;
                self.is_task = false;
            }
            _ if self.depth == 0 => return Err(Fault::Odd),
            b'"' if is_top && self.expects_key => self.begin(At::Key),
            b'"' if is_top && self.is_task => self.begin(At::Task),
            b'"' => self.at = At::Text,
            b':' if is_top => self.expects_key = false,
            b',' if is_top => {
                self.expects_key = true;
                self.is_task = false;
            }
            b'}' | b']' => self.depth -= 1,
            _ if is_top && self.is_task && !b"null".contains(&byte) => return Err(Fault::OtherTask),
            b'{' | b'[' => self.depth = self.depth.checked_add(1).ok_or(Fault::Odd)?,
            0 => return Err(Fault::Odd),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: At) {
        self.text.clear();
        self.at = at;
    }
}

/// Whether a text surely goes on behind a block of it: each quotation mark in it follows a
/// backslash, and no backslash follows another. Nearly all of a piece is the log's text, so this
/// has no branches, and compiles to a look at many bytes at once.
fn goes_on(block: &[u8]) -> bool {
    let Some((first, rest)) = block.split_first() else { return true };
    let may_end = block.iter().zip(rest).fold(false, |may_end, (&before, &byte)| {
        may_end | (byte == b'"') & (before != b'\\') | (byte == b'\\') & (before == b'\\')
    });
    *first != b'"' && !may_end
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "01a20c4c-41c5-784e-98e6-afeb7d01b68e";

    /// What is found, whole and byte by byte.
    fn read(body: &[u8]) -> Result<(), Fault> {
        let whole = LogBody::of(TASK, None).read(body);
        let mut slow = LogBody::of(TASK, None);
        assert_eq!(body.chunks(1).try_for_each(|byte| slow.read(byte)), whole);
        whole
    }

    #[test]
    fn what_a_worker_sends_passes() {
        for body in [
            r#"{"log_chunk_time":"2026-11-24T06:44:20.768336Z","log_chunk_data":"x","task_instance_id":null}"#
                .to_owned(),
            r#"{"log_chunk_time":"2026-11-24T06:44:20.768336Z","log_chunk_data":"x"}"#.to_owned(),
            format!(r#"{{"log_chunk_data":"a \"task_instance_id\": \"b\" \\","task_instance_id": "{TASK}"}}"#),
            r#"{"log_chunk_data":"{\"task_instance_id\":\"x\"} \u0000 ä","a":{"task_instance_id":"x"},"b":[1,"c"]}"#
                .to_owned(),
        ] {
            assert_eq!(read(body.as_bytes()), Ok(()), "{body}");
        }
    }

    /// Wherever a block ends, between a backslash and what it escapes too.
    #[test]
    fn a_text_ends_where_it_ends() {
        const SIGNS: [&str; 4] = ["x", "\\", "\"", "\",\"task_instance_id\":\"x\""];
        for before in BLOCK..2 * BLOCK + 4 {
            for number in 0..SIGNS.len().pow(4) {
                let signs = (0..4).map(|at| SIGNS[number / SIGNS.len().pow(at) % SIGNS.len()]);
                let text = "y".repeat(before) + &signs.collect::<String>() + &"z".repeat(2 * BLOCK);
                // Compares with byte by byte, whatever is found.
                let _ = read(format!(r#"{{"log_chunk_data":"{text}"}}"#).as_bytes());
            }
        }
    }

    #[test]
    fn another_task_does_not() {
        let other = "01a20c4c-41c5-784e-98e6-000000000000";
        for value in [
            format!("\"{other}\""),
            format!("\"{}\"", TASK.to_uppercase()),
            format!("\"{TASK}0\""),
            "\"\"".into(),
            "7".into(),
            "{}".into(),
            format!("[\"{TASK}\"]"),
        ] {
            for body in [
                format!(r#"{{"task_instance_id":{value},"log_chunk_data":"x"}}"#),
                format!(r#"{{"log_chunk_data":"x" , "task_instance_id" : {value}}}"#),
                format!(r#"{{"task_instance_id":null,"task_instance_id":{value}}}"#),
                format!(r#"{{"task_instance_id":{value},"task_instance_id":null}}"#),
            ] {
                assert_eq!(read(body.as_bytes()), Err(Fault::OtherTask), "{body}");
            }
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        let plain = format!(r#"{{"task_instance_id":"{TASK}"}}"#);
        let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16_other: Vec<u8> = plain.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for body in [
            utf16.as_slice(),
            &utf16_other,
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
            b"[]",
            b"\"x\"",
            br#"{"task\u005finstance_id":"x"}"#,
            br#"{"task_instance_id":"\u0030"}"#,
        ] {
            assert_eq!(read(body), Err(Fault::Odd), "{}", String::from_utf8_lossy(body));
        }
    }
}
