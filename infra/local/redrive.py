"""Shows dead letters, sends them to their queues again, or drops them. Every consumer accepts a message twice."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone

import boto3

from environments import UserFacingError, print_progress

# Outputs of the stack: the dead-letter queue, and the queue of the messages.
QUEUES = {
    "intake": ("IntakeDeadLetterQueueUrl", "IntakeQueueUrl"),
    "exports": ("ExportDeadLetterQueueUrl", "ExportQueueUrl"),
    "months": ("RunDeadLetterQueueUrl", "RunQueueUrl"),
    "keeper": ("KeeperDeadLetterQueueUrl", "KeeperQueueUrl"),
    "notifications": ("NoticeDeadLetterQueueUrl", "NoticeQueueUrl"),
    "streams": ("StreamDeadLetterQueueUrl", "StreamQueueUrl"),
}
ALL = "all"
# While a letter is shown or moved, nobody else may receive it.
SECONDS_TO_WORK = 60
# The start of an id that is long enough to choose a letter.
SHORTEST_ID = 8


@dataclass(frozen=True)
class Letter:
    """A dead letter, and why it is one."""

    queue: str
    id: str
    sent_at: str
    reason: str
    partner: str
    activities: list[str]

    @staticmethod
    def read(queue: str, message: dict) -> "Letter":
        """Reads a message. Letters that the queue moved after the last try have no attributes; their body has the ids."""
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        body = _parse(message["Body"])
        sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, timezone.utc)
        return Letter(
            queue=queue,
            id=message["MessageId"],
            sent_at=sent_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            reason=attributes.get("reason", "failed after all tries; the function's log has the error"),
            partner=attributes.get("partner") or str(body.get("partner", "")),
            activities=attributes["activities"].split() if "activities" in attributes else _ids(body),
        )

    def __str__(self) -> str:
        what = " ".join(self.activities) or "-"
        reason = "".join(f"\n    {line}" for line in self.reason.splitlines())
        return f"{self.queue}  {self.id}  {self.sent_at}  {self.partner or '-'}  {what}{reason}"


@dataclass
class Done:
    """The letters that were found, by queue, and the numbers of those that were sent again and dropped."""

    kept: list[Letter] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))
    dropped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(QUEUES, 0))


def of_stack(name: str, send: list[str], drop: list[str]) -> None:
    """Works on the dead letters of a stack on AWS, with the user's credentials and region."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    work(boto3.client("sqs"), {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}, send, drop)


def work(sqs, outputs: dict, send: list[str], drop: list[str]) -> Done:
    """Sends and drops the chosen letters, and prints the others.

    A choice is `all`, the name of a queue, or the id of a letter or its first eight characters.
    """
    choices = {word: 0 for word in [*send, *drop]}
    both = set(send) & set(drop)
    unknown = [word for word in choices if word not in (ALL, *QUEUES) and len(word) < SHORTEST_ID]
    if both or unknown:
        raise UserFacingError(f"Choose all, one of {', '.join(QUEUES)}, or ids of letters, and each once: {' '.join(sorted(both) or unknown)}")
    done = Done()
    for queue, (dead, live) in QUEUES.items():
        _work_on(sqs, queue, outputs[dead], outputs[live], send, drop, choices, done)
    for letter in done.kept:
        print(letter)
    for queue in QUEUES:
        kept = sum(letter.queue == queue for letter in done.kept)
        print_progress(f"{queue}: {done.sent[queue]} sent again, {done.dropped[queue]} dropped, {kept} left")
    if done.kept and not choices:
        print_progress("\nSEND=all, SEND=intake or SEND=<id> sends letters to their queues again; DROP=… deletes them.")
    missing = [word for word, count in choices.items() if count == 0 and word not in (ALL, *QUEUES)]
    if missing:
        raise UserFacingError(f"No dead letter has this id: {' '.join(missing)}")
    return done


def _work_on(sqs, queue: str, dead: str, live: str, send: list[str], drop: list[str], choices: dict[str, int], done: Done) -> None:
    kept: dict[str, str] = {}
    # A letter that can never succeed is back within a second. It is sent once by each command.
    sent: set[str] = set()
    while messages := _receive(sqs, dead):
        # A letter that comes back was left before: all others have been seen.
        if all(message["MessageId"] in kept for message in messages):
            break
        for message in messages:
            letter = Letter.read(queue, message)
            if message["Body"] not in sent and _chosen(letter, send, choices):
                # Sent before it is deleted, because a lost message does harm and a repeated one does not.
                sqs.send_message(QueueUrl=live, MessageBody=message["Body"])
                sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                sent.add(message["Body"])
                done.sent[queue] += 1
            elif _chosen(letter, drop, choices):
                sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                done.dropped[queue] += 1
            else:
                if letter.id not in kept:
                    done.kept.append(letter)
                kept[letter.id] = message["ReceiptHandle"]
    for receipt in kept.values():
        # Shown again at once, so that the next command finds the letter.
        sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=receipt, VisibilityTimeout=0)


def _receive(sqs, dead: str) -> list[dict]:
    answer = sqs.receive_message(
        QueueUrl=dead,
        MaxNumberOfMessages=10,
        VisibilityTimeout=SECONDS_TO_WORK,
        WaitTimeSeconds=1,
        AttributeNames=["SentTimestamp"],
        MessageAttributeNames=["All"],
    )
    return answer.get("Messages", [])


def _chosen(letter: Letter, words: list[str], choices: dict[str, int]) -> bool:
    """Tells whether a letter is meant, and counts the words that mean it."""
    meant = [word for word in words if word in (ALL, letter.queue) or (len(word) >= SHORTEST_ID and letter.id.startswith(word))]
    for word in meant:
        choices[word] += 1
    return bool(meant)


def _parse(body: str) -> dict:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _ids(body: dict) -> list[str]:
    """Returns the ids of the activities of a message to the intake, or the export of another message."""
    activities = body.get("activities") if isinstance(body.get("activities"), list) else [body.get("activity"), body]
    ids = [activity.get("id") for activity in activities if isinstance(activity, dict)]
    return [str(each) for each in [*ids, body.get("export")] if each]
