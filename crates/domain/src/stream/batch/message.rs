//! Messages for people: an activity for an incoming webhook of Slack or a workflow of Microsoft Teams.
//!
//! Values come from anybody who can name a customer or an order. So no value begins a line, adds a link or formats text:
//! Slack's control characters are escaped and its formatting is off, and cards for Teams use text runs, which are not read as
//! Markdown.
//!
//! Source: "Formatting text for app surfaces" of Slack; "Adaptive Cards", version 1.4, and "Create incoming webhooks with
//! Workflows for Microsoft Teams".

use serde_json::{Value, json};

use crate::{
    actions::{action_label, status_label, target_label},
    activity::{Activity, Status},
    locale::Locale,
};

/// The language of messages.
const LOCALE: Locale = Locale::En;

/// Writes a message for Slack.
pub(super) fn write_slack(activity: &Activity<&str>) -> Result<String, serde_json::Error> {
    let lines: Vec<String> = lines(activity).iter().map(|line| escape_slack(line)).collect();
    serde_json::to_string(&json!({"text": lines.join("\n"), "mrkdwn": false}))
}

/// Writes a message for Teams.
pub(super) fn write_teams(activity: &Activity<&str>) -> Result<String, serde_json::Error> {
    let block = |(number, line): (usize, &String)| {
        let run = match number {
            0 => json!({"type": "TextRun", "text": line, "weight": "bolder"}),
            _ => json!({"type": "TextRun", "text": line}),
        };
        json!({"type": "RichTextBlock", "inlines": [run]})
    };
    let body: Vec<Value> = lines(activity).iter().enumerate().map(block).collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    serde_json::to_string(&json!({"type": "message", "attachments": [attachment]}))
}

/// Returns the lines of a message: a title, and what is known.
fn lines(activity: &Activity<&str>) -> Vec<String> {
    let entry = &activity.entry;
    let action = action_label(entry.action.as_str(), LOCALE);
    let title = match entry.status {
        Status::Succeeded => action.to_owned(),
        status => format!("{action}: {}", status_label(status, LOCALE)),
    };
    let actor = Some(entry.actor.id).filter(|id| !id.is_empty()).and_then(|id| named(entry.actor.name, Some(id)));
    let target = entry.target.as_ref().and_then(|target| {
        let kind = target.kind.map(|kind| target_label(kind, LOCALE));
        let words: Vec<String> = kind.map(str::to_owned).into_iter().chain(named(target.name, target.id)).collect();
        (!words.is_empty()).then(|| words.join(" "))
    });
    let facts = [
        ("Customer", entry.customer.as_ref().and_then(|customer| named(customer.name, Some(customer.id)))),
        ("By", actor),
        ("Target", target),
        ("Reason", entry.reason.map(str::to_owned)),
        ("Partner", Some(activity.partner.to_string())),
        ("Time", Some(activity.occurred_at.to_millis_text())),
    ];
    let facts =
        facts.into_iter().filter_map(|(name, value)| value.map(|value| format!("{name}: {}", one_line(&value))));
    std::iter::once(one_line(&title)).chain(facts).collect()
}

/// Returns a name with its id behind, or the one of them that is there.
fn named(name: Option<&str>, id: Option<&str>) -> Option<String> {
    match (name, id) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id).map(str::to_owned),
    }
}

/// Replaces characters that would begin a line or turn the direction of text.
fn one_line(text: &str) -> String {
    let is_turning =
        |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_breaking = |char: char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}');
    text.chars().map(|char| if is_breaking(char) || is_turning(char) { ' ' } else { char }).collect()
}

/// Escapes the characters that Slack reads as links and mentions.
fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        activity::{NewActivity, PartnerId},
        time::Instant,
    };

    fn activity(members: &str) -> Activity {
        let json = format!(r#"{{"id":"e-1","occurred_at":"2026-11-02T09:30:00.123456Z",{members}}}"#);
        let now = Instant::parse("2026-11-02T12:00:00Z").unwrap();
        NewActivity::parse(&json, now).unwrap().into_activity(PartnerId::parse("contoso").unwrap(), now)
    }

    #[test]
    fn a_message_says_who_did_what_to_whom() {
        let full = activity(
            r#""action":"order.created","status":"failed","reason":"No credit","actor":{"id":"ana@contoso.example","name":"Ana"},
            "customer":{"id":"fabrikam","name":"Fabrikam & Sons"},"target":{"type":"order","id":"o-1"}"#,
        );
        let expected = [
            "Order created: Failed",
            "Customer: Fabrikam & Sons (fabrikam)",
            "By: Ana (ana@contoso.example)",
            "Target: order o-1",
            "Reason: No credit",
            "Partner: contoso",
            "Time: 2026-11-02T09:30:00.123Z",
        ];
        assert_eq!(lines(&full.borrowed()), expected);
        let bare = activity(r#""action":"x.y","actor":{"id":"a"}"#);
        assert_eq!(lines(&bare.borrowed())[..2], ["x.y", "By: a"]);
        let mut erased = bare;
        erased.entry.actor.id = String::new();
        assert_eq!(lines(&erased.borrowed())[1], "Partner: contoso");
    }

    #[test]
    fn slack_reads_no_link_in_a_value() {
        let message = activity(
            r#""action":"x.y","actor":{"id":"a"},"reason":"<!channel> & <https://x.example|click>\nBy: Bob \u202e""#,
        );
        let text = write_slack(&message.borrowed()).unwrap();
        let expected = r#"{"mrkdwn":false,"text":"x.y\nBy: a\nReason: &lt;!channel&gt; &amp; &lt;https://x.example|click&gt; By: Bob  \nPartner: contoso\nTime: 2026-11-02T09:30:00.123Z"}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_card_for_teams_has_text_runs_only() {
        let message = activity(r#""action":"x.y","actor":{"id":"a"},"reason":"[click](https://x.example) **b**""#);
        let card: Value = serde_json::from_str(&write_teams(&message.borrowed()).unwrap()).unwrap();
        assert_eq!(card["type"], "message");
        let attachment = &card["attachments"][0];
        assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
        let blocks = attachment["content"]["body"].as_array().unwrap();
        assert_eq!(
            blocks[0],
            json!({"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"x.y","weight":"bolder"}]})
        );
        assert!(blocks.iter().all(|block| block["type"] == "RichTextBlock"));
        assert_eq!(blocks[2]["inlines"][0]["text"], "Reason: [click](https://x.example) **b**");
    }
}
