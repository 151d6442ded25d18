//! Presigned links to objects of the bucket. They are made at a click, work for minutes, and are stored nowhere.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;

use crate::error::Error;

/// The seconds for which a link works. A link also ends with the session of the role that signed it.
pub const LINK_SECONDS: u64 = 300;

/// The method that a link is signed for. S3 refuses any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkMethod {
    /// A download.
    Get,
    /// The size and the ETag.
    Head,
}

/// Signs a link to an object, valid for [`LINK_SECONDS`]. The link is a secret and must not be logged.
///
/// `file_name` may hold letters, digits and `-._:` only, so that nothing in a header needs quoting.
///
/// # Errors
/// When there are no credentials to sign with.
pub async fn sign_link(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    file_name: &str,
    media_type: &str,
    method: LinkMethod,
) -> Result<String, Error> {
    const OPERATION: &str = "signing a link";
    let validity = PresigningConfig::expires_in(Duration::from_secs(LINK_SECONDS));
    let validity = validity.map_err(|error| Error::permanent(OPERATION, error))?;
    let disposition = format!("attachment; filename=\"{file_name}\"");
    let signed = match method {
        LinkMethod::Get => {
            let get = s3.get_object().bucket(bucket).key(key);
            let get = get.response_content_disposition(disposition).response_content_type(media_type);
            get.presigned(validity).await.map_err(|error| Error::permanent(OPERATION, error))?
        }
        LinkMethod::Head => {
            let head = s3.head_object().bucket(bucket).key(key);
            let head = head.response_content_disposition(disposition).response_content_type(media_type);
            head.presigned(validity).await.map_err(|error| Error::permanent(OPERATION, error))?
        }
    };
    Ok(signed.uri().to_owned())
}
