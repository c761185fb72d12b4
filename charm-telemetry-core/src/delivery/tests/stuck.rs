//! A destination that hangs: when it counts as stuck, who is told, and how that ends.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver as Waits, Sender as LetGo, channel};
use std::time::Duration;

use super::bench::{Bench, HOUR, Receiver, Setup, TestDestination, else_as_the_double, payload};
use crate::delivery::{Body, DeliveryState, Destination, EncodeError, Item, NoticeKind};

const FIVE_MINUTES: Duration = Duration::from_mins(5);
const ALMOST: Duration = Duration::from_secs(298);
const TWO_SECONDS: Duration = Duration::from_secs(2);

/// Waits once, at the first item with the number 5, until it is let go.
struct Hangs(TestDestination, Mutex<Option<Waits<()>>>);

impl Hangs {
    fn new() -> (Self, LetGo<()>) {
        let (let_go, waits) = channel();
        let Setup { limits, identity, .. } = Setup::default();
        (Self(TestDestination { limits, identity }, Mutex::new(Some(waits))), let_go)
    }
}

impl Destination for Hangs {
    else_as_the_double!();

    fn assemble(&self, items: &[Item]) -> Result<Body, EncodeError> {
        if items.iter().any(|item| item.bytes() == payload(5).as_bytes())
            && let Some(waits) = self.1.lock().unwrap().take()
        {
            // An error: the test has failed and let go.
            let _ = waits.recv();
        }
        self.0.assemble(items)
    }
}

fn told(bench: &Bench, kind: NoticeKind) -> Vec<String> {
    let notices = bench.notices.lock().unwrap();
    notices.iter().filter(|notice| notice.kind == kind).map(|notice| notice.message.clone()).collect()
}

/// Moves the clock, which stands still while a helper thread is busy, and lets the tasks see it.
async fn pass(time: Duration) {
    for _ in 0..time.as_secs() {
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
}

/// The same until something is so that needs other helper threads, which run in real time.
async fn pass_until(done: impl Fn() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(std::time::Instant::now() < end, "it did not come to that");
        pass(Duration::from_secs(1)).await;
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_hangs_is_stuck_after_five_minutes_and_told_once_and_goes_on_when_it_is_let_go() {
    let (receiver, neighbour) = (Receiver::always(200), Receiver::always(200));
    let (hangs, let_go) = Hangs::new();
    let bench = Setup::default().start_with(&receiver, hangs);
    let other = Setup::default().start(&neighbour);
    bench.send(0..20);
    pass(ALMOST).await;
    assert_eq!((bench.handle.report().state, told(&bench, NoticeKind::Stuck).len()), (DeliveryState::Ok, 0));
    pass(Duration::from_secs(6)).await;
    assert_eq!(bench.handle.report().state, DeliveryState::Stuck);
    let notices = told(&bench, NoticeKind::Stuck);
    assert!(notices[0].starts_with("something is to be sent, and for 300 s nothing was"), "{notices:?}");
    pass(4 * FIVE_MINUTES).await;
    assert_eq!(told(&bench, NoticeKind::Stuck).len(), 1, "once, however long it hangs");

    other.send(0..20);
    pass_until(|| other.outcomes().delivered == 20).await;
    assert_eq!((neighbour.taken().len(), other.handle.report().state), (20, DeliveryState::Ok));
    assert!(told(&other, NoticeKind::Stuck).is_empty());

    let_go.send(()).unwrap();
    bench.until_done(HOUR).await;
    assert_eq!(bench.handle.report().state, DeliveryState::Ok);
    bench.send([20]);
    bench.until_done(HOUR).await;
    tokio::time::sleep(TWO_SECONDS).await;
    assert_eq!(told(&bench, NoticeKind::Recovered), ["it hung, and goes on"]);
    assert_eq!(receiver.order(), (0..21).collect::<Vec<_>>());
    let outcomes = bench.shutdown(TWO_SECONDS).await;
    assert_eq!((outcomes.delivered, outcomes.dropped.total()), (21, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_is_no_reason_to_be_stuck() {
    let receiver = Receiver::always(503);
    let bench = Setup::default().start(&receiver);
    bench.send(0..20);
    tokio::time::sleep(HOUR).await;
    assert_eq!(bench.handle.report().state, DeliveryState::Retrying);
    assert!(told(&bench, NoticeKind::Stuck).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_item_that_waits_for_company_for_an_hour_is_not_stuck() {
    let receiver = Receiver::always(200);
    let mut setup = Setup::default();
    setup.limits.linger = HOUR;
    let bench = setup.start(&receiver);
    for number in 0..5 {
        bench.send([number]);
        tokio::time::sleep(HOUR / 6).await;
        assert_eq!(bench.handle.report().state, DeliveryState::Ok);
    }
    assert!(receiver.taken().is_empty(), "it waits");
    bench.until_done(HOUR).await;
    assert_eq!(receiver.taken().len(), 5);
    assert!(told(&bench, NoticeKind::Stuck).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_destination_that_is_stuck_saves_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::always(200);
    let (hangs, let_go) = Hangs::new();
    let bench = Setup::spooling(dir.path()).start_with(&receiver, hangs);
    bench.send(0..20);
    pass_until(|| bench.handle.report().state == DeliveryState::Stuck).await;
    bench.handle.begin_shutdown(TWO_SECONDS);
    let handle = bench.handle.clone();
    let until_closed = pass_until(|| handle.report().state == DeliveryState::CutOff);
    let (outcomes, ()) = tokio::join!(bench.shutdown(TWO_SECONDS), until_closed);
    assert_eq!((outcomes.spooled, outcomes.delivered), (20, 0));
    drop(let_go);
    let bench = Setup::spooling(dir.path()).start(&receiver);
    bench.send([20]);
    bench.until_done(HOUR).await;
    assert_eq!(receiver.order(), (0..21).collect::<Vec<_>>());
}
