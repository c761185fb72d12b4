//! What the operator is told while things run: exporters that fail, panic or hang.
//!
//! Rule: a notice is one line, holds no secret, and is told rarely however often its cause occurs.

#[cfg(feature = "delivery")]
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
#[cfg(feature = "delivery")]
use std::sync::Weak;
use std::time::Duration;

#[cfg(feature = "delivery")]
use crate::delivery::{self, DeliveryNotice};
use crate::lane::panics;
use crate::redact::Redactor;

/// Something the operator should know.
///
/// ```
/// # use charm_telemetry_core::{Manager, Notice, testing::MemoryWriter};
/// let manager = Manager::builder()
/// #   .stdout(MemoryWriter::new())
///     .on_notice(|notice| match notice {
///         Notice::Stuck { exporter, .. } => eprintln!("somebody should look at {exporter}"),
///         other => eprintln!("{other}"),
///     })
///     .start()?;
/// # Ok::<(), charm_telemetry_core::Problems>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A hook answered with an error. Told for the 1st, 2nd, 4th, 8th... of an exporter.
    HookFailed {
        /// The exporter.
        exporter: &'a str,
        /// What the hook said.
        error: &'a str,
        /// How many have failed so far.
        count: u64,
    },
    /// A hook panicked; the exporter is built again after `pause`. Told for the 1st, 2nd, 4th... in a row.
    Panicked {
        /// The exporter.
        exporter: &'a str,
        /// What the panic said.
        message: &'a str,
        /// How long the lane waits before it goes on.
        pause: Duration,
    },
    /// A hook panicked, and the exporter cannot be built again: from now on its events are counted as dropped.
    GivenUp {
        /// The exporter.
        exporter: &'a str,
        /// What the panic said.
        message: &'a str,
    },
    /// A hook does not return.
    Stuck {
        /// The exporter.
        exporter: &'a str,
        /// How long it has been running.
        since: Duration,
    },
    /// The exporter could not end cleanly.
    ShutdownFailed {
        /// The exporter.
        exporter: &'a str,
        /// What it said.
        error: &'a str,
    },
    /// Stdout cannot be written.
    StdoutFailed {
        /// What the system said; a broken pipe if its reader has gone.
        error: &'a io::Error,
    },
    /// What the delivery of an exporter has to say. Told for the 1st, 2nd, 4th, 8th... of a kind.
    #[cfg(feature = "delivery")]
    Delivery(&'a DeliveryNotice),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HookFailed { exporter, error, count: 1 } => {
                write!(f, "exporter `{exporter}` failed: {error}")
            }
            Self::HookFailed { exporter, error, count } => {
                write!(f, "exporter `{exporter}` failed, {count} times so far: {error}")
            }
            Self::Panicked { exporter, message, pause } => {
                write!(f, "exporter `{exporter}` panicked: {message}; it starts again in {pause:?}")
            }
            Self::GivenUp { exporter, message } => {
                write!(
                    f,
                    "exporter `{exporter}` panicked: {message}; it cannot be built again, so all its events are dropped from now on"
                )
            }
            Self::Stuck { exporter, since } => {
                let seconds = since.as_secs();
                write!(
                    f,
                    "exporter `{exporter}` is stuck: a hook has not returned for {seconds} s; nothing else waits for it"
                )
            }
            Self::ShutdownFailed { exporter, error } => {
                write!(f, "exporter `{exporter}` did not end cleanly: {error}")
            }
            Self::StdoutFailed { error } => write!(f, "stdout cannot be written: {error}"),
            #[cfg(feature = "delivery")]
            Self::Delivery(notice) => notice.fmt(f),
        }
    }
}

/// Where notices go.
pub(crate) struct Notices {
    redactor: Arc<Redactor>,
    tell: Tell,
}

/// Takes a notice. May be called from several threads at once.
pub(crate) type Tell = Box<dyn Fn(&Notice<'_>) + Send + Sync>;

impl Notices {
    pub(crate) fn new(redactor: Arc<Redactor>, tell: Tell) -> Self {
        Self { redactor, tell }
    }

    /// Whoever is told may panic: the process's panic hook says so, and nothing else comes of it.
    pub(crate) fn tell(&self, notice: Notice<'_>) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| (self.tell)(&notice))) {
            drop(panics::said(payload));
        }
    }

    pub(crate) fn redact(&self, text: &str) -> String {
        self.redactor.text(text).into_owned()
    }

    /// Lets deliveries that are started on this thread tell what they have to say here.
    #[cfg(feature = "delivery")]
    pub(crate) fn listen_on_this_thread(self: &Arc<Self>) {
        HERE.set(Arc::downgrade(self));
    }

    /// Tells what a delivery says, without secrets.
    #[cfg(feature = "delivery")]
    fn pass_on(&self, notice: &DeliveryNotice) {
        let clean = DeliveryNotice { message: self.redact(&notice.message), ..notice.clone() };
        self.tell(Notice::Delivery(&clean));
    }
}

#[cfg(feature = "delivery")]
thread_local! {
    /// Who listens to the deliveries that are started on this thread. Weak: a delivery is remembered for its report when
    /// the manager has long gone, and must not keep what the manager was told to call.
    static HERE: RefCell<Weak<Notices>> = const { RefCell::new(Weak::new()) };
}

/// Where a delivery that is started on this thread tells things, if anybody listens.
#[cfg(feature = "delivery")]
pub(crate) fn of_this_thread() -> Option<delivery::Tell> {
    let here = HERE.with_borrow(Weak::clone);
    here.upgrade()?;
    Some(Arc::new(move |notice| {
        if let Some(notices) = here.upgrade() {
            notices.pass_on(notice);
        }
    }))
}

/// One line on stderr.
pub(crate) fn to_stderr() -> Tell {
    // Whoever closed stderr does not want it.
    Box::new(|notice| drop(writeln!(io::stderr(), "charm: {notice}")))
}
