//! The bucket of exports: files are written once, in parts, and downloaded through links that live for minutes.

use std::{ops::Range, sync::Arc};

use aws_sdk_s3::{
    error::{ProvideErrorMetadata as _, SdkError},
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};
use domain::job::File;
use store::{
    error::Error,
    links::{LinkMethod, sign_link},
};

/// The checksum of uploads in parts. The upload and each of its parts name the same one, because S3 refuses a part whose
/// checksum is of another kind than the upload's.
const CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc32;

/// The bucket of exports. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Files {
    s3: aws_sdk_s3::Client,
    bucket: Arc<str>,
}

/// The result of writing a whole object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// The object was written.
    Now,
    /// The object existed and is unchanged.
    Before,
}

impl Files {
    /// Creates access to a bucket.
    pub fn new(s3: aws_sdk_s3::Client, bucket: String) -> Self {
        Self { s3, bucket: bucket.into() }
    }

    /// Signs a link to a file. The link is a secret and must not be logged.
    ///
    /// # Errors
    /// As [`sign_link`].
    pub async fn link(
        &self,
        key: &str,
        file_name: &str,
        media_type: &str,
        method: LinkMethod,
    ) -> Result<String, Error> {
        // File names consist of partners' ids, dates and digits.
        sign_link(&self.s3, &self.bucket, key, file_name, media_type, method).await
    }

    /// Removes a file, if there is one.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        let removed = self.s3.delete_object().bucket(&*self.bucket).key(key).send().await;
        removed.map(drop).map_err(|error| Error::sdk("DeleteObject of an export", error))
    }

    /// Aborts a multipart upload. An upload that has already ended is ignored.
    ///
    /// # Errors
    /// When S3 fails.
    pub async fn abort_upload(&self, key: &str, upload: &str) -> Result<(), Error> {
        match self.s3.abort_multipart_upload().bucket(&*self.bucket).key(key).upload_id(upload).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(Error::sdk("AbortMultipartUpload of an export", error)),
        }
    }

    /// Starts a multipart upload and returns its id.
    pub(crate) async fn start_upload(&self, key: &str, media_type: &str) -> Result<String, Error> {
        let begun = self
            .s3
            .create_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .content_type(media_type)
            .checksum_algorithm(CHECKSUM)
            .send()
            .await
            .map_err(|error| Error::sdk("CreateMultipartUpload of an export", error))?;
        begun.upload_id.ok_or_else(|| Error::permanent("CreateMultipartUpload of an export", "the answer has no id"))
    }

    /// Uploads a part, replacing one of the same number, and returns its tag.
    pub(crate) async fn upload_part(
        &self,
        key: &str,
        upload: &str,
        number: usize,
        body: Vec<u8>,
    ) -> Result<String, Error> {
        let sent = self
            .s3
            .upload_part()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .checksum_algorithm(CHECKSUM)
            .body(body.into())
            // TLS and the signed checksum protect the body. A signed digest would double the processor time of an upload.
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| Error::sdk("UploadPart of an export", error))?;
        part_tag(sent.e_tag, sent.checksum_crc32)
            .ok_or_else(|| Error::permanent("UploadPart of an export", "the answer has no ETag"))
    }

    /// Copies bytes of another object into a part and returns the part's tag.
    pub(crate) async fn copy_part(
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
            // Keys consist of partners' ids, months and file names, so nothing in them needs escaping.
            .copy_source(format!("{}/{source}", self.bucket))
            .copy_source_range(format!("bytes={}-{}", bytes.start, bytes.end - 1))
            .send()
            .await
            .map_err(|error| Error::sdk("UploadPartCopy of an export", error))?;
        let tag = copied.copy_part_result.and_then(|part| part_tag(part.e_tag, part.checksum_crc32));
        tag.ok_or_else(|| Error::permanent("UploadPartCopy of an export", "the answer has no ETag"))
    }

    /// Reads a range of an object, piece by piece.
    pub(crate) async fn read(&self, key: &str, bytes: Range<u64>, mut receive: impl FnMut(&[u8])) -> Result<(), Error> {
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
            receive(&piece);
        }
        if length == bytes.end - bytes.start {
            Ok(())
        } else {
            Err(Error::permanent("GetObject of an export", format!("received {length} bytes of the range {bytes:?}")))
        }
    }

    /// Completes a multipart upload, unless the object exists.
    ///
    /// The same completion may be sent again: after any error, an object of the right size means that an earlier request
    /// succeeded.
    pub(crate) async fn complete_upload(
        &self,
        key: &str,
        upload: &str,
        parts: &[String],
        bytes: u64,
    ) -> Result<(), Error> {
        let completed = self
            .s3
            .complete_multipart_upload()
            .bucket(&*self.bucket)
            .key(key)
            .upload_id(upload)
            .if_none_match("*")
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(completed_parts(parts))).build())
            .send()
            .await;
        let Err(error) = completed else { return Ok(()) };
        match self.find(key).await {
            Ok(Some(file)) if file.bytes == bytes => Ok(()),
            _ => Err(Error::sdk("CompleteMultipartUpload of an export", error)),
        }
    }

    /// Writes a small file whole, with its rows and digest as metadata, unless the file exists.
    pub(crate) async fn put(&self, key: &str, media_type: &str, file: &File, body: Vec<u8>) -> Result<Written, Error> {
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

    /// Reads the size of a file and the metadata that [`Self::put`] wrote; none if there is no file.
    pub(crate) async fn find(&self, key: &str) -> Result<Option<File>, Error> {
        match self.s3.head_object().bucket(&*self.bucket).key(key).send().await {
            Ok(head) => {
                let metadata =
                    |name: &str| head.metadata().and_then(|metadata| metadata.get(name)).cloned().unwrap_or_default();
                Ok(Some(File {
                    name: key.rsplit('/').next().unwrap_or_default().to_owned(),
                    rows: metadata("rows").parse().unwrap_or_default(),
                    bytes: head.content_length().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default(),
                    sha256: metadata("sha256"),
                }))
            }
            Err(SdkError::ServiceError(service)) if service.err().is_not_found() => Ok(None),
            // Without the right to list the bucket, S3 answers 403 for what does not exist.
            Err(SdkError::ServiceError(service)) if service.raw().status().as_u16() == 403 => Ok(None),
            Err(error) => Err(Error::sdk("HeadObject of an export", error)),
        }
    }
}

/// Returns the tag by which a checkpoint names a part: the ETag, and behind a space the checksum, if S3 tells it.
///
/// S3 wants both again when the upload is completed.
fn part_tag(e_tag: Option<String>, checksum: Option<String>) -> Option<String> {
    let e_tag = e_tag?;
    Some(match checksum {
        Some(checksum) => format!("{e_tag} {checksum}"),
        None => e_tag,
    })
}

/// Returns the parts of an upload from their tags, in order.
fn completed_parts(tags: &[String]) -> Vec<CompletedPart> {
    // All checksums or none, because a worker of an earlier version may have sent the first parts.
    let with_checksums = tags.iter().all(|tag| tag.contains(' '));
    let part = |(index, tag): (usize, &String)| {
        let number = i32::try_from(index + 1).unwrap_or(i32::MAX);
        let (e_tag, checksum) = tag.split_once(' ').unwrap_or((tag, ""));
        let checksum = with_checksums.then(|| checksum.to_owned());
        CompletedPart::builder().part_number(number).e_tag(e_tag).set_checksum_crc32(checksum).build()
    };
    tags.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(e_tag: &str, checksum: Option<&str>) -> String {
        part_tag(Some(e_tag.to_owned()), checksum.map(str::to_owned)).unwrap()
    }

    #[test]
    fn completion_repeats_etag_and_checksum_of_each_part() {
        let parts = completed_parts(&[tag("\"a\"", Some("AAAAAA==")), tag("\"b\"", Some("BBBBBB=="))]);
        let shown: Vec<_> =
            parts.iter().map(|part| (part.part_number(), part.e_tag(), part.checksum_crc32())).collect();
        assert_eq!(shown, [(Some(1), Some("\"a\""), Some("AAAAAA==")), (Some(2), Some("\"b\""), Some("BBBBBB=="))]);
    }

    #[test]
    fn parts_of_an_earlier_version_complete_without_checksums() {
        let parts = completed_parts(&[tag("\"a\"", None), tag("\"b\"", Some("BBBBBB=="))]);
        assert!(parts.iter().all(|part| part.checksum_crc32().is_none() && part.e_tag().is_some()));
        assert_eq!(part_tag(None, Some("BBBBBB==".to_owned())), None);
    }
}
