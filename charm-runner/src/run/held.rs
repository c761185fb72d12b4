//! A frame of the bridge that has to wait.
//!
//! Rule: it comes out as it went in.

use crate::bridge::Frame;

/// One frame that owns what it says.
pub(super) enum HeldFrame {
    Stdout(Vec<u8>),
    ChildStdout { process: u32, bytes: Vec<u8> },
    Token { call: String, token: String },
    Record(Vec<u8>),
}

impl HeldFrame {
    pub(super) fn frame(&self) -> Frame<'_> {
        match self {
            Self::Stdout(bytes) => Frame::Stdout(bytes),
            Self::ChildStdout { process, bytes } => Frame::ChildStdout { process: *process, bytes },
            Self::Token { call, token } => Frame::Token { call: call.into(), token: token.into() },
            Self::Record(json) => Frame::Record(json),
        }
    }
}

impl From<Frame<'_>> for HeldFrame {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Stdout(bytes) => Self::Stdout(bytes.to_vec()),
            Frame::ChildStdout { process, bytes } => Self::ChildStdout { process, bytes: bytes.to_vec() },
            Frame::Token { call, token } => {
                Self::Token { call: call.into_owned(), token: token.into_owned() }
            }
            Frame::Record(json) => Self::Record(json.to_vec()),
        }
    }
}
