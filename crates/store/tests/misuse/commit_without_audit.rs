//! A change cannot be committed without its audit record.

use airlock_store::Writing;

async fn silently(w: Writing) {
    let _ = w.commit().await;
}

fn main() {}
