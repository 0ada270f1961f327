#!/usr/bin/env python3
"""Computes the hash of a genesis document from the layout in docs/genesis.md, with nothing but SHA-256.

The document's addresses must be given in hexadecimal, by key or by policy; this file knows no bech32m."""
import datetime
import hashlib
import json
import pathlib
import sys


def integer(size):
    return lambda value: int(value).to_bytes(size, "little")


u8, u16, u32, u64, u128 = (integer(size) for size in (1, 2, 4, 8, 16))


def raw(text):
    return bytes.fromhex(text[2:])


def text(value):
    return u32(len(value.encode())) + value.encode()


def key(value):
    return b"\0" + raw(value)


def listed(parts):
    parts = list(parts)
    return u32(len(parts)) + b"".join(parts)


def tagged(tag, content):
    return hashlib.sha256(bytes([len(tag)]) + tag.encode() + content).digest()


def threshold(need, keys):
    return b"\1" + u16(need) + listed(k + u16(weight) for k, weight in sorted((key(k), w) for k, w in keys))


def address(account):
    if "address" in account:
        return raw(account["address"])
    if "publicKey" in account:
        policy = b"\0" + key(account["publicKey"])
    else:
        keys = [(entry["publicKey"], entry["weight"]) for entry in account["policy"]["keys"]]
        policy = threshold(account["policy"]["need"], keys)
    return tagged("althing/address/v1", policy)


def instant_ms(value):
    moment = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


def account(entry):
    balances = sorted(entry.get("balances", {}).items())
    return address(entry), listed(text(symbol) + u128(amount) for symbol, amount in balances)


def canonical(doc):
    agree, limits = doc["consensus"], doc["limits"]
    recovery = doc.get("recovery")
    return b"".join([
        u32(doc["schema"]), text(doc["chainId"]), u8(doc["dev"]), text(doc["addressPrefix"]),
        u64(instant_ms(doc["genesisTime"])),
        u32(agree["deltaMs"]), u32(agree["minBlockIntervalMs"]), u16(agree["k"]),
        u32(agree["maxClockSkewMs"]), u16(agree["trustPeriodDays"]), u32(doc["tx"]["maxWindowMs"]),
        u32(limits["blockBytesMax"]), u32(limits["blockTransactionsMax"]),
        u64(limits["blockGasMax"]), u64(limits["transactionGasMax"]),
        u16(agree["f"]), u8(agree["fastPath"]),
        listed(key(v["publicKey"]) + key(v["nodeKey"]) + text(v["name"]) + raw(v["proof"])
               for v in sorted(doc["validators"], key=lambda v: v["publicKey"])),
        listed(key(o["nodeKey"]) + text(o["name"])
               for o in sorted(doc["observers"], key=lambda o: o["nodeKey"])),
        listed(text(a["symbol"]) + text(a["name"]) + u8(a["decimals"])
               for a in sorted(doc["assets"], key=lambda a: a["symbol"])),
        listed(where + balances for where, balances in sorted(map(account, doc["accounts"]))),
        b"\1" + threshold(recovery["need"], [(k, 1) for k in recovery["keys"]]) if recovery else b"\0",
    ])


document = json.loads(pathlib.Path(sys.argv[1]).read_text())
print("0x" + tagged("althing/genesis/v1", canonical(document)).hex())
