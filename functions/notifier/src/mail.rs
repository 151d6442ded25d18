//! Sends e-mail in the language of the files.

use aws_sdk_sesv2::{
    Client,
    error::ProvideErrorMetadata as _,
    types::{Body, Content, Destination, EmailContent, Message},
};
use domain::{
    activity::PartnerId,
    delivery::Failure,
    job::{Job, JobStatus, version_name},
    locale::Locale,
};
use store::error::causes;

/// Sends e-mail from one sender. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mail {
    ses: Client,
    sender: String,
}

impl Mail {
    /// A sender by its address; an empty one sends nothing.
    pub fn new(ses: Client, sender: String) -> Self {
        Self { ses, sender }
    }

    /// Tells an address of an export.
    ///
    /// # Errors
    /// Why it failed, for people.
    pub async fn send(
        &self,
        address: &str,
        partner: &PartnerId,
        job: &Job,
        status: &JobStatus,
        portal_url: &str,
    ) -> Result<(), Failure> {
        let failure = |problem: &str, is_final| Failure { answer: None, problem: problem.to_owned(), is_final };
        if self.sender.is_empty() {
            return Err(failure("This installation sends no e-mail any more.", true));
        }
        let (subject, text) = write_message(partner, job, status, portal_url);
        let content = |text: String| Content::builder().data(text).charset("UTF-8").build();
        let (Ok(subject), Ok(text)) = (content(subject), content(text)) else {
            return Err(failure("The message could not be written.", true));
        };
        let message = Message::builder().subject(subject).body(Body::builder().text(text).build()).build();
        let sent = self
            .ses
            .send_email()
            .from_email_address(&self.sender)
            .destination(Destination::builder().to_addresses(address).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let code = error.code().unwrap_or_default().to_owned();
            tracing::warn!(error = causes(&error), "could not send an e-mail");
            failure("The e-mail service did not take the message.", is_final(&code))
        })
    }
}

/// Tells whether an error of SES will come again whatever the operator does.
///
/// Only a message that SES cannot read is refused for good. SES also refuses messages in its sandbox (`MessageRejected`), from a
/// sender that is not verified, and while it has paused the account. The operator can end all of these, so the next attempts
/// of the same message may succeed. Source: "Common Errors" and "SendEmail" of the SES API v2 reference.
fn is_final(code: &str) -> bool {
    code == "BadRequestException"
}

/// Writes subject and text.
fn write_message(partner: &PartnerId, job: &Job, status: &JobStatus, portal_url: &str) -> (String, String) {
    let month = job.month.map_or_else(|| job.id.clone(), |month| version_name(month, job.version));
    let rows = status.progress.rows;
    let files: String = status.files.iter().map(|file| format!("  {}\n", file.name)).collect();
    match job.request.output.locale {
        Locale::En => (
            format!("Activity log of {partner}: {month} is ready"),
            format!(
                "The activity log of {partner} for {month} is ready ({rows} rows):\n\n{files}\n\
                 Sign in to download it:\n{portal_url}\n"
            ),
        ),
        Locale::Fr => (
            format!("Journal d’activité de {partner} : {month} est disponible"),
            format!(
                "Le journal d’activité de {partner} pour {month} est disponible ({rows} lignes) :\n\n{files}\n\
                 Connectez-vous pour le télécharger :\n{portal_url}\n"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::is_final;

    #[test]
    fn mail_is_tried_again_when_ses_is_in_its_sandbox() {
        for code in [
            "MessageRejected",
            "MailFromDomainNotVerifiedException",
            "AccountSuspendedException",
            "SendingPausedException",
            "NotFoundException",
            "LimitExceededException",
            "TooManyRequestsException",
            "",
        ] {
            assert!(!is_final(code), "{code}");
        }
    }

    #[test]
    fn mail_is_given_up_when_ses_cannot_read_it() {
        assert!(is_final("BadRequestException"));
    }
}
