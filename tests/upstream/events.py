#!/usr/bin/env python3
"""Follows campaigns: prints the records of campaign.events, one JSON object a line.

    events.py --brokers localhost:9092 [--prefix acme.] [--registry http://localhost:8081]
              [--campaign spring-sale] [--until completed,cancelled,failed]

Events may come twice, always with the same `id`: keep the ids you have seen.
"""
import argparse
import io
import json
import struct
import sys
import time
from pathlib import Path

import fastavro
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka.schema_registry import SchemaRegistryClient
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

SCHEMAS = Path(__file__).parents[2] / "schemas" / "avro"


class Values:
    """Reads values of either framing."""

    def __init__(self, own, registry, credentials):
        self.own = parse_schema(own)
        self.fingerprint = bytes.fromhex(fingerprint(to_parsing_canonical_form(own), "CRC-64-AVRO"))
        config = {"url": registry}
        if credentials:
            config["basic.auth.user.info"] = credentials
        self.registry = SchemaRegistryClient(config) if registry else None
        self.writers = {}

    def read(self, value):
        if value[:2] == b"\xc3\x01":
            if value[2:10] != self.fingerprint:
                raise ValueError("written with another version of the schema: update schemas/avro")
            return fastavro.schemaless_reader(io.BytesIO(value[10:]), self.own)
        if value[:1] == b"\x00" and self.registry:
            (schema_id,) = struct.unpack(">I", value[1:5])
            if schema_id not in self.writers:
                text = self.registry.get_schema(schema_id).schema_str
                self.writers[schema_id] = parse_schema(json.loads(text))
            return fastavro.schemaless_reader(io.BytesIO(value[5:]), self.writers[schema_id], self.own)
        raise ValueError("a framing that is not known here; --registry is needed for values of a registry")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--brokers", default="localhost:9092")
    options.add_argument("--prefix", default="", help="of the topics")
    options.add_argument("--registry", help="URL of a schema registry")
    options.add_argument("--registry-user", help="NAME:PASSWORD")
    options.add_argument("--group", default="sluice-events-example", help="consumer group: remembers the place")
    options.add_argument("--campaign", help="of this campaign only")
    options.add_argument("--until", default="", help="stop after one of these kinds")
    options.add_argument("--seconds", type=float, help="give up after so long, with exit code 1")
    options = options.parse_args()

    values = Values(
        json.loads((SCHEMAS / "campaign_event.v1.avsc").read_text()), options.registry, options.registry_user
    )
    ends = set(filter(None, options.until.split(",")))
    consumer = Consumer({
        "bootstrap.servers": options.brokers,
        "group.id": options.group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([f"{options.prefix}campaign.events"])
    give_up = time.monotonic() + options.seconds if options.seconds else float("inf")
    try:
        while time.monotonic() < give_up:
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                # Lost connections come back by themselves, a missing topic does not.
                if message.error().fatal() or message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaException(message.error())
                print(message.error(), file=sys.stderr)
                continue
            event = values.read(message.value())
            if options.campaign in (None, event["campaign"]):
                print(json.dumps(event), flush=True)
            # After the event was handled: a crash in between shows it again.
            consumer.commit(message, asynchronous=False)
            if options.campaign in (None, event["campaign"]) and event["kind"] in ends:
                return
        sys.exit("gave up waiting")
    finally:
        consumer.close()


main()
