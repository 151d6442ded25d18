"""Sends dead letters to their queue again, once their cause is mended. Every consumer knows what it has done before."""

import boto3

from environments import print_progress

# Outputs of the stack: where dead letters are, and where they came from.
QUEUES = {
    "intake": ("IntakeDeadLetterQueueUrl", "IntakeQueueUrl"),
    "exports": ("ExportDeadLetterQueueUrl", "ExportQueueUrl"),
    "months": ("RunDeadLetterQueueUrl", "RunQueueUrl"),
    "notifications": ("NoticeDeadLetterQueueUrl", "NoticeQueueUrl"),
}
# While one is moved nobody else may take it.
SECONDS_TO_MOVE = 60


def of_stack(name: str) -> None:
    """Those of a stack on AWS, with the person's own credentials and region."""
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    move_all(boto3.client("sqs"), {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]})


def move_all(sqs, outputs: dict) -> dict[str, int]:
    """Moves what is there, and says how much it was, queue by queue."""
    moved = {}
    for name, (dead, queue) in QUEUES.items():
        moved[name] = _move(sqs, outputs[dead], outputs[queue])
        print_progress(f"✓ {name}: {moved[name]} sent again")
    return moved


def _move(sqs, dead: str, queue: str) -> int:
    moved = 0
    while messages := sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10, VisibilityTimeout=SECONDS_TO_MOVE, WaitTimeSeconds=1).get("Messages"):
        for message in messages:
            # Sent before it is deleted: one that is there twice does no harm, one that is gone would.
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved
