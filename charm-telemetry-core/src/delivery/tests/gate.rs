//! A way to a receiver that is blocked until it is opened.
//!
//! Rule: while it is blocked the kernel answers no connection, and once it is open every byte passes; all of it ends with
//! the gate.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// A port of loopback at which connections hang, for their queue is full and nobody takes them out.
pub(super) struct Gate {
    listener: Option<TcpListener>,
    address: SocketAddr,
    /// What fills the queue.
    fillers: Vec<TcpStream>,
    closed: Arc<AtomicBool>,
}

impl Gate {
    pub(super) fn blocked() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&socket, 0).unwrap();
        let address = getsockname(&socket).unwrap().try_into().unwrap();
        let listener = Some(TcpListener::from(socket));
        let mut gate = Self { listener, address, fillers: Vec::new(), closed: Arc::default() };
        while let Ok(filler) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            gate.fillers.push(filler);
            assert!(gate.fillers.len() < 16, "connections do not hang on this system");
        }
        gate
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/intake", self.address)
    }

    /// From now on everything passes to this address.
    pub(super) fn open(&mut self, target: SocketAddr) {
        let (listener, closed) = (self.listener.take().expect("it is opened once"), self.closed.clone());
        self.fillers.clear();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that breaks is its client's matter.
                thread::spawn(move || drop(pass(&client, target)));
            }
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        if self.listener.is_none() {
            // Wakes the thread that accepts.
            drop(TcpStream::connect(self.address));
        }
    }
}

fn pass(client: &TcpStream, target: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    let (answers, back) = (server.try_clone()?, client.try_clone()?);
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let copied = io::copy(&mut from, &mut to);
        drop(to.shutdown(Shutdown::Both));
        copied
    };
    let answering = thread::spawn(move || copy(&answers, &back));
    copy(client, &server)?;
    drop(answering.join());
    Ok(())
}
