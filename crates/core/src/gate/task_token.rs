//! The token that a worker holds for a task, instead of Airflow's.
//!
//! Airflow gives a JWT with each job and renews it while the task runs. Whoever has it can read
//! any connection of that Airflow, from anywhere. So the gate seals it together with who may use
//! it, and gives the worker the sealed text: `agw.<master key id>.<base64url>`. Airflow takes no
//! such text, and the gate takes it only from the agent that it was made for. Nothing is stored.

use std::{borrow::Cow, fmt};

use airlock_contract::{AgentId, AgentTokenId, DeploymentId, Time};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::path::TaskInstanceId;
use crate::{Env, Error, Result, keyring::Keyring};

/// What every sealed task token begins with.
pub const PREFIX: &str = "agw.";

/// The longest sealed text that is looked at, in bytes. Airflow's JWT has some 500.
const LONGEST: usize = 16 * 1024;

/// A task's token, with who may use it.
#[derive(Clone, Debug)]
pub struct TaskToken {
    /// The agent token of the agent that it was given to.
    pub agent_token: AgentTokenId,
    /// How often that agent token had been renewed.
    pub generation: i64,
    /// The agent.
    pub agent: AgentId,
    /// The task.
    pub task: TaskInstanceId,
    /// Airflow's own token for the task.
    pub jwt: SecretString,
}

/// [`TaskToken`] as it is sealed.
#[derive(Serialize, Deserialize)]
struct Content<'a>(
    #[serde(borrow)] Cow<'a, str>,
    i64,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
);

impl TaskToken {
    /// Seals the token for an agent of one Deployment.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the cipher refuses, which it has no reason to.
    pub fn seal(&self, keys: &Keyring, env: &Env, deployment: &DeploymentId) -> Result<SecretString> {
        let content = Content(
            self.agent_token.as_str().into(),
            self.generation,
            self.agent.as_str().into(),
            self.task.as_str().into(),
            self.jwt.expose_secret().into(),
        );
        let plain = serde_json::to_vec(&content).map_err(Error::internal)?;
        let (key_id, sealed) = keys.seal_task_token(env, deployment.as_str(), plain)?;
        let mut text = format!("{PREFIX}{key_id}.");
        URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
        Ok(text.into())
    }

    /// Opens a text that [`Self::seal`] made for the same Deployment. `None` for anything else.
    ///
    /// Whether the agent token in it is still good, and is the one that presents it, is for the
    /// caller to see.
    pub fn open(keys: &Keyring, deployment: &DeploymentId, text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (key_id, sealed) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = keys.open_task_token(key_id, deployment.as_str(), &mut bytes)?;
        let Content(agent_token, generation, agent, task, jwt) = serde_json::from_slice(plain).ok()?;
        Some(Self {
            agent_token: agent_token.as_ref().into(),
            generation,
            agent: agent.as_ref().into(),
            task: TaskInstanceId::parse(&task)?,
            jwt: jwt.as_ref().into(),
        })
    }
}

/// What a task's JWT says of itself. Nothing of it is verified: only Airflow can, and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskClaims {
    /// The task.
    pub task: TaskInstanceId,
    /// When the token ends.
    pub end: Time,
    /// What the token is good for.
    pub scope: TaskScope,
}

/// What a task's JWT is good for (`execution_api/security.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskScope {
    /// Only to tell that the task has started.
    Workload,
    /// All that a running task may do; also a token without the claim, as of Airflow below 3.2.
    Execution,
}

impl TaskClaims {
    /// Reads the claims out of a task's JWT. `None` when it is not one.
    pub fn read(jwt: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            sub: String,
            exp: f64,
            #[serde(default)]
            scope: Option<String>,
        }
        let mut parts = jwt.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let raw: Raw = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self {
            task: TaskInstanceId::parse(&raw.sub)?,
            end: Time::from_micros(0).plus_seconds(raw.exp as i64),
            scope: match raw.scope.as_deref() {
                Some("workload") => TaskScope::Workload,
                None | Some("execution") => TaskScope::Execution,
                Some(_) => return None,
            },
        })
    }
}

impl fmt::Display for TaskScope {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Workload => "workload",
            Self::Execution => "execution",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const TASK: &str = "019a0b5e-4d5c-7a30-8b1e-0123456789ab";
    const JWT: &str = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";

    fn line() -> String {
        Keyring::generate(&Env::system()).expose_secret().clone()
    }

    fn ring(lines: &str) -> Keyring {
        Keyring::parse(lines).expect("master keys")
    }

    fn token() -> TaskToken {
        TaskToken {
            agent_token: "ctoken".into(),
            generation: 3,
            agent: "cagent".into(),
            task: TaskInstanceId::parse(TASK).expect("a UUID"),
            jwt: JWT.into(),
        }
    }

    #[test]
    fn sealed_it_shows_nothing_and_opens_only_for_its_deployment() {
        let (env, old) = (Env::system(), line());
        let keys = ring(&old);
        let here = DeploymentId::from("chere");
        let sealed = token().seal(&keys, &env, &here).expect("sealed");
        let text = sealed.expose_secret();
        assert!(text.starts_with(&format!("agw.{}.", keys.current_id())), "{text}");
        assert!(!text.contains("eyJ"), "{text}");
        assert_ne!(text, token().seal(&keys, &env, &here).expect("sealed").expose_secret());
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        assert!(fits, "it stands in a header as it is: {text}");

        let opened = TaskToken::open(&keys, &here, text).expect("opened");
        assert_eq!(opened.jwt.expose_secret(), JWT);
        assert_eq!((opened.agent_token.as_str(), opened.generation, opened.agent.as_str()), ("ctoken", 3, "cagent"));
        assert_eq!(opened.task.as_str(), TASK);

        assert!(TaskToken::open(&keys, &"celsewhere".into(), text).is_none());
        assert!(TaskToken::open(&ring(&line()), &here, text).is_none());
        let rotated = ring(&format!("{}\n{old}", line()));
        assert!(TaskToken::open(&rotated, &here, text).is_some(), "an older master key still opens it");
        assert!(!format!("{opened:?}").contains("eyJ"));
    }

    #[test]
    fn a_value_sealed_for_another_use_is_no_task_token() {
        let env = Env::system();
        let keys = ring(&line());
        let plain = format!(r#"["ctoken",3,"cagent","{TASK}","{JWT}"]"#);
        let stored = keys.seal(&env, "chere", &plain).expect("sealed");
        let text = format!("agw.{}.{}", stored.key_id, URL_SAFE_NO_PAD.encode(&stored.bytes));
        assert!(TaskToken::open(&keys, &"chere".into(), &text).is_none());
    }

    #[test]
    fn a_tasks_jwt_is_read() {
        let jwt = |claims: &Value| format!("eyJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let read = |claims: &Value| TaskClaims::read(&jwt(claims));
        let claims = read(&json!({"sub": TASK, "exp": 1_764_000_000, "scope": "workload", "aud": "x"})).expect("read");
        assert_eq!(claims.task.as_str(), TASK);
        assert_eq!(claims.end.as_seconds(), 1_764_000_000);
        assert_eq!(claims.scope, TaskScope::Workload);
        let scope = |scope: Value| read(&json!({"sub": TASK, "exp": 1, "scope": scope})).map(|claims| claims.scope);
        assert_eq!(scope(json!("execution")), Some(TaskScope::Execution));
        assert_eq!(scope(Value::Null), Some(TaskScope::Execution));
        assert_eq!(scope(json!("admin")), None);
        assert_eq!(read(&json!({"sub": "x", "exp": 1})), None);
        assert_eq!(read(&json!({"sub": TASK})), None);
        for bad in ["", "..", "a.b", "a.!.c", "a.b.c.d", "agw.k.x"] {
            assert_eq!(TaskClaims::read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_text_does_not_open(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
            let keys = ring(&format!("k1:{}", "A".repeat(43)));
            let here = DeploymentId::from("chere");
            let sealed = token().seal(&keys, &Env::system(), &here).expect("sealed");
            let mut text = sealed.expose_secret().to_owned();
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != with);
            text.replace_range(at..=at, &with);
            prop_assert!(TaskToken::open(&keys, &here, &text).is_none());
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,100}", rest in "[A-Za-z0-9_.-]{0,100}") {
            let keys = ring(&format!("k1:{}", "A".repeat(43)));
            for text in [&text, &format!("agw.{rest}"), &format!("agw.k1.{rest}")] {
                prop_assert!(TaskToken::open(&keys, &"chere".into(), text).is_none());
                let _ = TaskClaims::read(text);
            }
        }
    }
}
