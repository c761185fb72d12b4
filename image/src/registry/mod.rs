//! Speaks to a registry: manifests and blobs.
//!
//! Rule: plain HTTP only to this machine; every answer that is not understood is an error with the registry's words.

mod authority;
mod challenge;
mod credentials;
mod http;
mod location;
mod upload;

use std::io::Read;

use serde_json::Value;
use ureq::http::StatusCode;

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{ImageError, RegistryError};
use crate::media;
use crate::reference::Reference;
use authority::{Access, Authority};
use http::{Answer, Call, Http};

/// A manifest as it came, unchanged.
#[derive(Debug)]
pub(crate) struct RawManifest {
    pub(crate) json: Value,
    pub(crate) media_type: Option<String>,
    pub(crate) digest: Digest,
}

/// One registry, seen by one user.
#[derive(Debug)]
pub(crate) struct Registry {
    http: Http,
    authority: Authority,
    name: String,
}

impl Registry {
    /// The registry of this image. Nothing is sent yet.
    pub(crate) fn of(reference: &Reference) -> Result<Self, RegistryError> {
        let scheme = if reference.is_loopback() { "http" } else { "https" };
        Ok(Self {
            http: Http::new(&reference.registry, &format!("{scheme}://{}", reference.endpoint()))?,
            authority: Authority::new(&reference.registry, &reference.repository),
            name: reference.registry.clone(),
        })
    }

    /// Whether we are let in to push there, as far as that is told to who pushes nothing.
    pub(crate) fn knock(&self, repository: &str) -> Result<(), RegistryError> {
        self.has_blob(repository, &Digest::of(&[])).map(drop)
    }

    /// What the reference points at: a manifest or an index.
    pub(crate) fn manifest(
        &self,
        reference: &Reference,
        selector: &str,
    ) -> Result<RawManifest, RegistryError> {
        let path = format!("/v2/{}/manifests/{selector}", reference.repository);
        let call = Call::get(&path).accept(media::ACCEPTED);
        let mut answer = self.call(&call, &Access::pull(&reference.repository))?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(RegistryError::NotFound { reference: reference.to_string() });
            }
            _ => return Err(self.refused(&format!("show the manifest of `{reference}`"), answer)),
        }
        let media_type = answer.header("content-type");
        let bytes = answer.bytes(MAX_MANIFEST_BYTES)?;
        self.checked_manifest(reference, selector, media_type, &bytes)
    }

    fn checked_manifest(
        &self,
        reference: &Reference,
        selector: &str,
        media_type: Option<String>,
        bytes: &[u8],
    ) -> Result<RawManifest, RegistryError> {
        let digest = Digest::of(bytes);
        if Digest::parse(selector).is_some_and(|wanted| wanted != digest) {
            let name = &self.name;
            return Err(RegistryError::Malformed(format!(
                "the registry `{name}` sent another manifest than `{reference}`: it has the digest {digest}; try again"
            )));
        }
        let json = serde_json::from_slice(bytes).map_err(|error| {
            RegistryError::Malformed(format!(
                "the manifest of `{reference}` is no JSON ({error}); is this a registry?"
            ))
        })?;
        Ok(RawManifest { json, media_type, digest })
    }

    /// The bytes of a blob, not yet compared with its digest.
    pub(crate) fn blob(&self, repository: &str, digest: &Digest) -> Result<impl Read + use<>, RegistryError> {
        let path = format!("/v2/{repository}/blobs/{digest}");
        let answer = self.call(&Call::get(&path), &Access::pull(repository))?;
        match answer.status {
            StatusCode::OK => Ok(answer.into_reader()),
            StatusCode::NOT_FOUND => {
                let reference = format!("{}/{repository}@{digest}", self.name);
                Err(RegistryError::Malformed(format!(
                    "the blob `{reference}` is missing in the registry; push that image again"
                )))
            }
            _ => Err(self.refused(&format!("send the blob {digest}"), answer)),
        }
    }

    /// Publishes a manifest; an image exists from here on.
    pub(crate) fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<(), RegistryError> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let call = Call::put(&path).content(media_type, bytes);
        let answer = self.call(&call, &Access::push(repository))?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(self.refused(&format!("store the manifest `{}/{repository}:{tag}`", self.name), answer))
    }

    /// The name by which users know it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Sends a call, and once more with authority if the registry wants some.
    fn call(&self, call: &Call<'_>, access: &Access) -> Result<Answer, RegistryError> {
        let answer = self.http.send(call, self.authority.header(access).as_deref())?;
        // Who we were sent on to is nobody to prove ourselves to.
        if answer.status != StatusCode::UNAUTHORIZED || !answer.is_own {
            return Ok(answer);
        }
        let header = self.authority.answer(&self.http, &answer, access)?;
        let answer = self.http.send(call, Some(&header))?;
        match answer.status {
            StatusCode::UNAUTHORIZED => Err(self.authority.refusal()),
            _ => Ok(answer),
        }
    }

    fn refused(&self, task: &str, mut answer: Answer) -> RegistryError {
        if answer.status == StatusCode::FORBIDDEN {
            return self.authority.refusal();
        }
        let mut body = answer.excerpt();
        if !answer.is_own {
            let elsewhere = &answer.origin;
            body = format!(
                "{body}; that came from `{elsewhere}`, where it sent us and which sees no login of yours"
            );
        }
        RegistryError::Refused {
            registry: self.name.clone(),
            status: answer.status.as_u16(),
            task: task.to_owned(),
            body,
        }
    }
}

/// As large as registries let manifests be.
const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// What became of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfer {
    /// It was there already.
    Exists,
    /// The registry took it from another of its repositories; nothing was sent.
    Mounted,
    /// It was sent.
    Uploaded,
}

impl Registry {
    /// Makes a blob be in the repository, by the cheapest way that works.
    ///
    /// `from` is a repository of the same registry that has it; `open` gives its bytes each time that they must be sent.
    pub(crate) fn ensure_blob<R: Read>(
        &self,
        repository: &str,
        blob: &Descriptor,
        from: Option<&str>,
        open: impl Fn() -> Result<R, ImageError>,
    ) -> Result<Transfer, ImageError> {
        if self.has_blob(repository, &blob.digest)? {
            return Ok(Transfer::Exists);
        }
        if let Some(from) = from.filter(|from| *from != repository)
            && self.mount(repository, &blob.digest, from)?
        {
            return Ok(Transfer::Mounted);
        }
        self.upload(repository, blob, open)?;
        Ok(Transfer::Uploaded)
    }
}
