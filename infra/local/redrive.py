"""Sends dead letters to their queues again, once their cause is fixed. Every consumer accepts a message twice."""

import boto3

from environments import print_progress

# Outputs of the stack: the dead-letter queue, and the queue of the messages.
QUEUES = {
    "intake": ("IntakeDeadLetterQueueUrl", "IntakeQueueUrl"),
    "exports": ("ExportDeadLetterQueueUrl", "ExportQueueUrl"),
    "months": ("RunDeadLetterQueueUrl", "RunQueueUrl"),
    "notifications": ("NoticeDeadLetterQueueUrl", "NoticeQueueUrl"),
}
# While a message is moved, no other consumer may receive it.
SECONDS_TO_MOVE = 60


def of_stack(name: str) -> None:
    """Moves the dead letters of a stack on AWS, with the user's credentials and region."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    move_all(boto3.client("sqs"), {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]})


def move_all(sqs, outputs: dict) -> dict[str, int]:
    """Moves all dead letters, and returns and prints their number for each queue."""
    moved = {}
    for name, (dead, queue) in QUEUES.items():
        moved[name] = _move(sqs, outputs[dead], outputs[queue])
        print_progress(f"✓ {name}: {moved[name]} sent again")
    return moved


def _move(sqs, dead: str, queue: str) -> int:
    moved = 0
    while messages := sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=SECONDS_TO_MOVE, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            # Sent before it is deleted, because a lost message does harm and a repeated one does not.
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved
