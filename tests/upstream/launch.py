#!/usr/bin/env python3
"""Launches a campaign: writes one CampaignLaunch to Kafka.

    launch.py LAUNCH.json --brokers localhost:9092 [--prefix acme.] [--registry http://localhost:8081]

Needs `pip install -r requirements.txt`. With --registry the value has the schema registry's framing, otherwise
Avro single-object encoding: Sluice reads both.
"""
import argparse
import io
import json
import struct
import sys
from pathlib import Path

import fastavro
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

SCHEMAS = Path(__file__).parents[2] / "schemas" / "avro"


def read_launch(path):
    """A launch as a person writes it. JSON documents inside it become text, as the schema has them, and the
    audience's path, which counts from the launch, a whole one."""
    launch = json.loads(Path(path).read_text())
    audience = launch["audience"]
    if audience.get("path") and "://" not in audience["path"]:
        audience["path"] = str((Path(path).parent / audience["path"]).resolve())
    for part, field in (("template", "components"), ("http", "body")):
        document = (launch["message"].get(part) or {}).get(field, "")
        if not isinstance(document, str):
            launch["message"][part][field] = json.dumps(document)
    return launch


def frame(schema_text, topic, registry, credentials):
    """What stands before the datum: which schema wrote it."""
    if registry:
        config = {"url": registry}
        if credentials:
            config["basic.auth.user.info"] = credentials
        client = SchemaRegistryClient(config)
        schema_id = client.register_schema(f"{topic}-value", Schema(schema_text, "AVRO"))
        return struct.pack(">bI", 0, schema_id)
    canonical = to_parsing_canonical_form(json.loads(schema_text))
    # fastavro writes the fingerprint's bytes in the order that single-object encoding wants.
    return b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("launch", help="LAUNCH.json, see docs/launch.md")
    options.add_argument("--brokers", default="localhost:9092")
    options.add_argument("--prefix", default="", help="of the topics")
    options.add_argument("--registry", help="URL of a schema registry")
    options.add_argument("--registry-user", help="NAME:PASSWORD")
    options.add_argument("--schema", default=SCHEMAS / "campaign_launch.v2.avsc")
    options.add_argument("--print-hex", action="store_true", help="print the value instead of producing it")
    options = options.parse_args()

    topic = f"{options.prefix}campaign.launches"
    launch = read_launch(options.launch)
    schema_text = Path(options.schema).read_text()
    value = io.BytesIO()
    value.write(frame(schema_text, topic, options.registry, options.registry_user))
    fastavro.schemaless_writer(value, parse_schema(json.loads(schema_text)), launch)
    if options.print_hex:
        print(value.getvalue().hex())
        return

    failures = []
    producer = Producer({
        "bootstrap.servers": options.brokers,
        "enable.idempotence": True,
        # The same launch twice starts one campaign, so a retry is harmless; a launch nobody wrote is not.
        "acks": "all",
        "reconnect.backoff.ms": 1000,
    })
    # Any key will do; the campaign's name keeps the launches of one campaign in order.
    key = f"{launch.get('tenant', 'default')}/{launch['campaign']}"
    producer.produce(topic, key=key, value=value.getvalue(), on_delivery=lambda error, _: failures.append(error))
    producer.flush(30)
    if failures != [None]:
        sys.exit(f"not launched: {failures[0] if failures else 'no answer from Kafka'}")
    print(f"launched {launch['campaign']}")


main()
