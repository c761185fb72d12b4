//! Telling that a destination is stuck.
//!
//! Rule: told once when it gets stuck and once when it goes on; a wait that we have chosen ourselves is not stuck.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::notice::NoticeKind;
use super::shared::Shared;

/// How often a destination that is stuck is looked at.
const MOMENT: Duration = Duration::from_secs(1);

/// Watches until the delivery ends.
pub(super) async fn watch(shared: Arc<Shared>) {
    tokio::select! {
        () = look(&shared) => {}
        () = shared.out_of_time() => {}
    }
}

async fn look(shared: &Shared) {
    let mut told = false;
    loop {
        let now = Instant::now();
        let stuck_at = shared.stuck_at();
        let is_stuck = stuck_at.is_some_and(|at| now > at);
        if is_stuck != told {
            tell(shared, is_stuck);
            told = is_stuck;
        }
        let next = if is_stuck { now } else { stuck_at.unwrap_or(now + Shared::STUCK) };
        tokio::time::sleep_until(next + MOMENT).await;
    }
}

fn tell(shared: &Shared, is_stuck: bool) {
    if is_stuck {
        let message = format!(
            "something is to be sent, and for {} s nothing was, not even in vain: the exporter's code or the disk may \
             hang; other destinations do not wait for it",
            Shared::STUCK.as_secs()
        );
        shared.notice(NoticeKind::Stuck, &message);
    } else {
        shared.notice(NoticeKind::Recovered, "it hung, and goes on");
    }
}
