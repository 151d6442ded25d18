//! The files of exports in S3: written once, in parts, and downloaded through links made at the click.

use std::{ops::Range, sync::Arc, time::Duration};

use aws_sdk_s3::{
    error::{ProvideErrorMetadata as _, SdkError},
    presigning::PresigningConfig,
    types::{CompletedMultipartUpload, CompletedPart},
};

use domain::job::File;
use store::error::Error;

/// How long a link can be followed, in seconds. A link also dies with the session of the role that signed it.
pub const LINK_SECONDS: u64 = 300;

/// The bucket of exports. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    s3: aws_sdk_s3::Client,
    bucket: Arc<str>,
}

/// How the writing of a whole object ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there now.
    Now,
    /// Someone had written it before: it was left as it is.
    Before,
}

impl Files {
    /// The bucket by its name.
    pub fn new(s3: aws_sdk_s3::Client, bucket: String) -> Self {
        Self { s3, bucket: bucket.into() }
    }

    /// A link to download a file, made now and valid for [`LINK_SECONDS`]. It is a secret: it goes into no log.
    ///
    /// # Errors
    /// When there are no credentials to sign with.
    pub async fn link(&self, key: &str, file_name: &str, media_type: &str) -> Result<String, Error> {
        let broken = |error| Error::permanent("signing a link", error);
        let validity = PresigningConfig::expires_in(Duration::from_secs(LINK_SECONDS))
            .map_err(|error| Error::permanent("signing a link", error))?;
        let signed = self
            .s3
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            // File names are made of partners' ids, dates and digits: nothing in them needs quoting.
            .response_content_disposition(format!("attachment; filename=\"{file_name}\""))
            .response_content_type(media_type)
            .presigned(validity)
            .await
            .map_err(broken)?;
        Ok(signed.uri().to_owned())
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        let removed = self.s3.delete_object().bucket(&*self.bucket).key(key).send().await;
        removed.map(drop).map_err(|error| Error::sdk("DeleteObject of an export", error))
    }

    /// Gives up a multipart upload; one that has ended already is left alone.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn abandon(&self, key: &str, upload: &str) -> Result<(), Error> {
        match self.s3.abort_multipart_upload().bucket(&*self.bucket).key(key).upload_id(upload).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(Error::sdk("AbortMultipartUpload of an export", error)),
        }
    }

    /// Begins a multipart upload.
    pub(super) async fn begin(&self, key: &str, media_type: &str) -> Result<String, Error> {
        let begun = self
            .s3
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .content_type(media_type)
            .send()
            .await
            .map_err(|error| Error::sdk("CreateMultipartUpload of an export", error))?;
        begun.upload_id.ok_or_else(|| Error::permanent("CreateMultipartUpload of an export", "it gave no id"))
    }

    /// Uploads a part, in place of one with the same number; its ETag.
    pub(super) async fn part(&self, key: &str, upload: &str, number: usize, body: Vec<u8>) -> Result<String, Error> {
        let sent = self
            .s3
            .upload_part()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .body(body.into())
            // The connection protects the body, and so does its checksum, which is signed: a digest more would cost as
            // much as the rest of the upload.
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| Error::sdk("UploadPart of an export", error))?;
        sent.e_tag.ok_or_else(|| Error::permanent("UploadPart of an export", "it gave no ETag"))
    }

    /// Makes a part of some bytes of another object; its ETag.
    pub(super) async fn copy(
        &self,
        key: &str,
        upload: &str,
        number: usize,
        source: &str,
        bytes: Range<u64>,
    ) -> Result<String, Error> {
        let copied = self
            .s3
            .upload_part_copy()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            // Keys are made of partners' ids, months and file names: nothing in them needs escaping.
            .copy_source(format!("{}/{source}", self.bucket))
            .copy_source_range(format!("bytes={}-{}", bytes.start, bytes.end - 1))
            .send()
            .await
            .map_err(|error| Error::sdk("UploadPartCopy of an export", error))?;
        let tag = copied.copy_part_result.and_then(|part| part.e_tag);
        tag.ok_or_else(|| Error::permanent("UploadPartCopy of an export", "it gave no ETag"))
    }

    /// Reads some bytes of an object, piece by piece.
    pub(super) async fn read(&self, key: &str, bytes: Range<u64>, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut got = self
            .s3
            .get_object()
            .bucket(&*self.bucket)
            .key(key)
            .range(format!("bytes={}-{}", bytes.start, bytes.end - 1))
            .send()
            .await
            .map_err(|error| Error::sdk("GetObject of an export", error))?;
        let mut length = 0;
        while let Some(piece) = got.body.next().await {
            let piece = piece
                .map_err(|error| Error::Unavailable { operation: "GetObject of an export", source: Box::new(error) })?;
            length += piece.len() as u64;
            take(&piece);
        }
        if length == bytes.end - bytes.start {
            Ok(())
        } else {
            Err(Error::permanent("GetObject of an export", format!("{length} bytes of {bytes:?}")))
        }
    }

    /// Makes the object of its parts, unless there is one. The same completion may be sent again: whatever the error, an
    /// object of the right size says that it was done before.
    pub(super) async fn complete(&self, key: &str, upload: &str, parts: &[String], bytes: u64) -> Result<(), Error> {
        let parts = parts.iter().enumerate().map(|(index, tag)| {
            let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
            CompletedPart::builder().part_number(number).e_tag(tag).build()
        });
        let completed = self
            .s3
            .complete_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build())
            .send()
            .await;
        let Err(error) = completed else { return Ok(()) };
        match self.stored(key).await {
            Ok(Some(file)) if file.bytes == bytes => Ok(()),
            _ => Err(Error::sdk("CompleteMultipartUpload of an export", error)),
        }
    }

    /// Writes a small file whole, with what is known of it beside it, unless there is one.
    pub(super) async fn put(&self, key: &str, media_type: &str, file: &File, body: Vec<u8>) -> Result<Written, Error> {
        let put = self
            .s3
            .put_object()
            .bucket(&*self.bucket)
            .key(key)
            .if_none_match("*")
            .content_type(media_type)
            .metadata("rows", file.rows.to_string())
            .metadata("sha256", &file.sha256)
            .body(body.into())
            .send()
            .await;
        match put {
            Ok(_) => Ok(Written::Now),
            Err(error) if error.code() == Some("PreconditionFailed") => Ok(Written::Before),
            Err(error) => Err(Error::sdk("PutObject of an export", error)),
        }
    }

    /// What is stored at a key: its size, and what [`Self::put`] noted beside it.
    pub(super) async fn stored(&self, key: &str) -> Result<Option<File>, Error> {
        match self.s3.head_object().bucket(&*self.bucket).key(key).send().await {
            Ok(head) => {
                let noted =
                    |name: &str| head.metadata().and_then(|metadata| metadata.get(name)).cloned().unwrap_or_default();
                Ok(Some(File {
                    name: key.rsplit('/').next().unwrap_or_default().to_owned(),
                    rows: noted("rows").parse().unwrap_or_default(),
                    bytes: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                    sha256: noted("sha256"),
                }))
            }
            Err(SdkError::ServiceError(service)) if service.err().is_not_found() => Ok(None),
            Err(error) => Err(Error::sdk("HeadObject of an export", error)),
        }
    }
}
