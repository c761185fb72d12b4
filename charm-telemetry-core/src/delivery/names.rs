//! Finding the addresses of names.
//!
//! Rule: a name is looked up once at a time, however many ask and however often they give up: the system cannot end a
//! look-up, and each one holds a helper thread that all destinations need.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

/// Looks a name up, for as long as it takes.
pub(super) type LookUp = fn(&str) -> io::Result<Vec<SocketAddr>>;

/// What will be known of a name; an error is its text, for several may ask.
type Found = watch::Receiver<Option<Result<Vec<SocketAddr>, String>>>;

/// The names that are being looked up.
#[derive(Clone)]
pub(super) struct Names {
    look_up: LookUp,
    running: Arc<Mutex<HashMap<String, Found>>>,
}

/// As the system does it.
impl Default for Names {
    fn default() -> Self {
        Self::by(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }
}

impl Names {
    pub(super) fn by(look_up: LookUp) -> Self {
        Self { look_up, running: Arc::default() }
    }

    /// Joins the look-up that is under way, or starts one.
    fn find(&self, name: &str) -> Found {
        let mut running = self.lock();
        // One without a sender has ended without a word: it was cut off.
        if let Some(found) = running.get(name).filter(|found| found.has_changed().is_ok()) {
            return found.clone();
        }
        let (sender, found) = watch::channel(None);
        running.insert(name.to_owned(), found.clone());
        drop(running);
        let (this, name) = (self.clone(), name.to_owned());
        tokio::task::spawn_blocking(move || {
            let result = (this.look_up)(&name).map_err(|error| error.to_string());
            this.lock().remove(&name);
            sender.send_replace(Some(result));
        });
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Found>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let mut found = self.find(name.as_str());
        Box::pin(async move {
            let found = found.wait_for(Option::is_some).await?;
            let addresses = found.clone().unwrap_or_else(|| Err("the look-up was cut off".to_owned()))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
