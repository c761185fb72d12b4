//! Puts a blob into a repository.
//!
//! Rule: in one piece. Uploads in chunks fail in one registry or another; a session that was opened is closed.

use std::io::Read;

use ureq::http::{Method, StatusCode};

use super::Registry;
use super::authority::Access;
use super::http::{Answer, Call};
use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{ImageError, RegistryError};

impl Registry {
    pub(super) fn has_blob(&self, repository: &str, digest: &Digest) -> Result<bool, RegistryError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.call(&Call::new(Method::HEAD, &path), &Access::push(repository))?;
        match answer.status {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refused(&format!("look for the blob {digest}"), answer)),
        }
    }

    /// Whether the registry took the blob from its repository `from`. Any refusal is a no: sending it works too.
    pub(super) fn mount(&self, repository: &str, digest: &Digest, from: &str) -> Result<bool, RegistryError> {
        let path = format!("/v2/{repository}/blobs/uploads/?mount={digest}&from={from}");
        let access = Access::mount(repository, from);
        let answer = match self.call(&Call::new(Method::POST, &path), &access) {
            Ok(answer) => answer,
            Err(RegistryError::Unauthorized { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if answer.status == StatusCode::ACCEPTED
            && let Some(session) = answer.header("location")
        {
            self.cancel(&session, &access);
        }
        Ok(answer.status == StatusCode::CREATED)
    }

    /// Sends a blob.
    pub(super) fn upload<R: Read>(
        &self,
        repository: &str,
        blob: &Descriptor,
        open: impl Fn() -> Result<R, ImageError>,
    ) -> Result<(), ImageError> {
        let access = Access::push(repository);
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.call(&Call::new(Method::POST, &path), &access)?;
        if answer.status != StatusCode::ACCEPTED {
            let task = format!("take a blob for `{}/{repository}`", self.name());
            return Err(self.refused(&task, answer).into());
        }
        let session = answer.header("location").ok_or_else(|| {
            RegistryError::Malformed(format!(
                "the registry `{}` opened an upload without an address",
                self.name()
            ))
        })?;
        let done = self.fill(&session, &access, blob, open);
        if done.is_err() {
            self.cancel(&session, &access);
        }
        done
    }

    fn fill<R: Read>(
        &self,
        session: &str,
        access: &Access,
        blob: &Descriptor,
        open: impl Fn() -> Result<R, ImageError>,
    ) -> Result<(), ImageError> {
        let joint = if session.contains('?') { '&' } else { '?' };
        let location = format!("{session}{joint}digest={}", blob.digest);
        let call = Call::put(&location).content("application/octet-stream", &[]);
        let send = |authority: Option<&str>| -> Result<Answer, ImageError> {
            Ok(self.http.send_reader(&call, authority, blob.size, &mut open()?)?)
        };
        let mut answer = send(self.authority.header(access).as_deref())?;
        // A token that opened the session may have run out since.
        if answer.status == StatusCode::UNAUTHORIZED && answer.is_own {
            answer = send(Some(&self.authority.answer(&self.http, &answer, access)?))?;
            if answer.status == StatusCode::UNAUTHORIZED {
                return Err(self.authority.refusal().into());
            }
        }
        if answer.status == StatusCode::CREATED {
            return Ok(());
        }
        Err(self.refused(&format!("store the blob {}", blob.digest), answer).into())
    }

    /// Best effort: a registry forgets an abandoned session by itself in the end.
    fn cancel(&self, session: &str, access: &Access) {
        let _ = self.call(&Call::new(Method::DELETE, session), access);
    }
}
