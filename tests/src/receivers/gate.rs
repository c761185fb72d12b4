//! What stands before a receiver and lets nothing through until it is opened.
//!
//! Rule: who connects is accepted at once, so that it waits for an answer and not for a connection.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// A gate that opens when a file appears: any program can make one.
#[derive(Debug)]
pub struct Gate {
    /// Connect here instead.
    pub port: u16,
    closed: Arc<AtomicBool>,
}

impl Gate {
    /// Before the receiver on this port of loopback.
    ///
    /// # Panics
    /// There is no free port.
    pub fn before(receiver: u16, key: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let closed = Arc::new(AtomicBool::new(false));
        let (over, key) = (Arc::clone(&closed), Arc::new(key));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (over, key) = (Arc::clone(&over), Arc::clone(&key));
                thread::spawn(move || {
                    while !key.exists() && !over.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(2));
                    }
                    // A client that has gone has nothing to pass.
                    let _ =
                        TcpStream::connect((Ipv4Addr::LOCALHOST, receiver)).and_then(|to| pass(client, to));
                });
            }
        });
        Self { port, closed }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Both ways, until both sides are done.
fn pass(client: TcpStream, receiver: TcpStream) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, receiver.try_clone()?);
    let there = thread::spawn(move || copy(from, to));
    let back = copy(receiver, client);
    there.join().map_err(|_| io::Error::other("the copying thread panicked"))?.and(back)
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let copied = io::copy(&mut from, &mut to);
    // Its reader sees the end; one that has gone needs none.
    let _ = to.shutdown(Shutdown::Write);
    copied.map(drop)
}
