//! Sealed task tokens: nothing opens but what was sealed, whatever was sealed opens, and a task's
//! JWT may be any text.
//!
//! The first byte says what the rest is: a text that is presented, changes to a sealed text, or a
//! JWT to be sealed.

#![no_main]

use std::sync::LazyLock;

use airlock_core::{
    Env,
    env::{Chance, Clock},
    gate::{
        path::TaskInstanceId,
        task_token::{TaskClaims, TaskToken},
    },
    keyring::Keyring,
};
use libfuzzer_sys::fuzz_target;
use secrecy::ExposeSecret;

const TASK: &str = "019a0b5e-4d5c-7a30-8b1e-0123456789ab";

/// No chance, so that a finding can be seen again.
struct Still;
impl Clock for Still {
    fn now(&self) -> airlock_contract::Time {
        airlock_contract::Time::from_micros(0)
    }
}
impl Chance for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

static KEYS: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::parse(&format!("k1:{}", "A".repeat(43))).expect("a master key"));
static SEALED: LazyLock<String> = LazyLock::new(|| seal("eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"));

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => {
            let Ok(text) = std::str::from_utf8(rest) else { return };
            let _ = TaskClaims::read(text);
            for text in [text, &format!("agw.{text}"), &format!("agw.k1.{text}")] {
                assert!(text == *SEALED || open(text).is_none());
            }
        }
        1 => {
            let mut changed = SEALED.clone().into_bytes();
            for change in rest.chunks_exact(2) {
                let at = usize::from(change[0]) % changed.len();
                changed[at] = change[1] & 0x7f;
            }
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(open(&changed).is_some(), changed == *SEALED, "{changed}");
        }
        _ => {
            let Ok(jwt) = std::str::from_utf8(rest) else { return };
            let sealed = seal(jwt);
            let opened = open(&sealed).filter(|token| token.jwt.expose_secret() == jwt);
            assert!(opened.is_some() || sealed.len() > 16 * 1024, "{jwt:?}");
        }
    }
});

fn open(text: &str) -> Option<TaskToken> {
    assert!(TaskToken::open(&KEYS, &"celsewhere".into(), text).is_none(), "it is for another Deployment");
    let token = TaskToken::open(&KEYS, &"chere".into(), text)?;
    assert_eq!((token.task.as_str(), token.agent.as_str(), token.generation), (TASK, "cagent", 1));
    Some(token)
}

fn seal(jwt: &str) -> String {
    let token = TaskToken {
        agent_token: "ctoken".into(),
        generation: 1,
        agent: "cagent".into(),
        task: TaskInstanceId::parse(TASK).expect("a UUID"),
        jwt: jwt.into(),
    };
    let sealed = token.seal(&KEYS, &Env::new(Still, Still), &"chere".into()).expect("sealed");
    sealed.expose_secret().to_owned()
}
