//! What a call that is under way hangs on: its agent token.
//!
//! A large log or XCom takes its time. When the token ends meanwhile, the call is cut, in whichever
//! direction it streams, and while it waits for the Airflow.

use std::{pin::Pin, time::Duration};

use airlock_contract::Time;
use airlock_store::live_tokens::LiveToken;
use tokio::time::sleep;

use crate::App;

/// How often it is looked whether a token has expired while a call goes on.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Ends when the token of a call does.
pub(crate) type Lifeline = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What ends when a token does; also when nobody can say any more whether it is good.
pub(crate) fn of(app: &App, token: &LiveToken) -> Lifeline {
    let (app, id, end) = (app.clone(), token.id.clone(), token.end_at);
    Box::pin(async move {
        tokio::select! {
            () = app.store.until_taken(&id) => {}
            () = until(&app, end) => {}
        }
    })
}

/// Waits for a time, by the server's clock; for ever when there is none.
async fn until(app: &App, end: Option<Time>) {
    let Some(end) = end else { return std::future::pending().await };
    while app.env.now() < end {
        sleep(LOOK_EVERY).await;
    }
}
