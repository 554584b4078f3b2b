"""Texts as cameras, programs and people write them, each with a place for a secret."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from urllib.parse import quote

Plant = Callable[[str], str]
"""Given a secret, the text that gives it away."""

CAMERAS: dict[str, Plant] = {
    "user and password, as nearly all take it": lambda s: f"rtsp://admin:{s}@192.0.2.9:554/Streaming/Channels/101",
    "encoded": lambda s: f"rtsp://admin:{quote(s, safe='')}@192.0.2.9/cam/realmonitor?channel=1&subtype=0",
    "hash": lambda s: f"rtsp://admin:My#{s}@192.0.2.9/h264Preview_01_main",
    "question": lambda s: f"rtsp://admin:My?{s}@192.0.2.9/axis-media/media.amp",
    "at": lambda s: f"rtsp://admin:My@{s}@192.0.2.9/onvif1",
    "slash": lambda s: f"rtsp://admin:My/{s}@192.0.2.9/live/ch00_0",
    "blank": lambda s: f"rtsp://admin:My {s}@192.0.2.9/live",
    "colon": lambda s: f"rtsp://admin:12:{s}@192.0.2.9/live",
    "looks like a port": lambda s: f"rtsp://admin:1234/{s}@192.0.2.9/live",
    "token instead of a user": lambda s: f"https://{s}@192.0.2.9/mjpg/video.mjpg",
    "no password, but a token": lambda s: f"rtsp://{s}:@192.0.2.9/live",
    "usr and pwd": lambda s: f"rtsp://192.0.2.9:88/videoMain?usr=admin&pwd={s}",
    "user and pass": lambda s: f"http://192.0.2.9/videostream.cgi?user=admin&pass={s}&resolution=32",
    "loginuse": lambda s: f"http://192.0.2.9/livestream.cgi?loginuse=admin&loginpas={s}",
    "dashes": lambda s: f"http://192.0.2.9/cgi-bin/hi3510/snap.cgi?&-usr=admin&-pwd={s}",
    "one letter": lambda s: f"http://192.0.2.9/snapshot.jpg?u=admin&p={s}",
    "auth in base64": lambda s: f"http://192.0.2.9/snap?auth={base64.b64encode(f'admin:{s}'.encode()).decode()}",
    "bare query": lambda s: f"rtsp://192.0.2.9/live?{s}",
    "userName and passWord": lambda s: f"rtsp://192.0.2.9/chID=1&streamType=main&userName=admin&passWord={s}&x=1",
    "in the path": lambda s: f"rtsp://192.0.2.9:554/user=admin_password={s}_channel=1_stream=0.sdp",
    "in the path, with ampersands": lambda s: f"rtsp://192.0.2.9:554/user=admin&password={s}&channel=1&stream=0.sdp?",
    "between slashes": lambda s: f"rtsp://192.0.2.9/0/admin:{s}/main",
    "the path is a token": lambda s: f"rtsps://192.0.2.9:7441/{s}?enableSrtp",
    "a key of a channel": lambda s: f"rtmp://192.0.2.9/live/{s}",
    "fragment": lambda s: f"rtsp://192.0.2.9/live#token={s}",
    "capital scheme": lambda s: f"RTSP://admin:{s}@192.0.2.9/live",
}
"""Addresses of streams, by where the secret is."""

_HEX = "6629fae49393a05397450978507c4ef1"

LINES: dict[str, Plant] = {
    "equals": lambda s: f"password={s}",
    "ampersand": lambda s: f"password=aaaa&{s}",
    "colon": lambda s: f"pwd: {s}",
    "pass": lambda s: f'pass = "{s}"',
    "semicolon in quotes": lambda s: f'password = "aa;{s}"',
    "escaped quote": lambda s: '{"password": "a\\"' + s + '", "region": "eu"}',
    "json in json": lambda s: json.dumps({"body": json.dumps({"password": s})}),
    "list": lambda s: f'"passwords": ["a1", "{s}"]',
    "list over lines": lambda s: f'"passwords": [\n  "{s}"\n]',
    "block": lambda s: f"password: |\n  {s}\nnext: 1",
    "three quotes": lambda s: f'password = """\n{s}\n"""',
    "snake": lambda s: f"DB_PASS={s}",
    "camel": lambda s: f"userPass={s}",
    "passphrase of many words": lambda s: f"passphrase: correct horse {s} staple",
    "passcode": lambda s: f"passcode = {s}",
    "auth": lambda s: f'auth = "{s}"',
    "private_key": lambda s: f'private_key = "{s}"',
    "credential": lambda s: f"credential: {s}",
    "community": lambda s: f'community = "{s}"',
    "secret access key": lambda s: f"Secret access key: {s}",
    "psk": lambda s: f"wpa-psk={s}",
    "no sign between": lambda s: f"TOKEN {s}7a",
    "in chinese": lambda s: f"密码\uff1a{s}",
    "in german": lambda s: f"Kennwort: {s}",
    "xml": lambda s: f"<user><password>{s}</password></user>",
    "xml with attributes": lambda s: f'<Password kind="plain">{s}</Password>',
    "option": lambda s: f"tool --password {s} --verbose",
    "option in a list": lambda s: f"['tool', '--token', '{s}', '--verbose']",
    "curl": lambda s: f"curl -u admin:{s} http://192.0.2.9/",
    "mosquitto": lambda s: f"mosquitto_pub -u x -P a{s} -t t",
    "basic": lambda s: f"Authorization: Basic {base64.b64encode(f'admin:{s}'.encode()).decode()}",
    "bearer": lambda s: f"authorization: Bearer {s}",
    "bearer alone": lambda s: f"sent Bearer {s}00 to it",
    "header in a tuple": lambda s: f"(b'authorization', b'Bearer {s}')",
    "header in a dict": lambda s: str({"X-Api-Key": s, "Accept": "*/*"}),
    "digest": lambda s: f'Authorization: Digest username="a", response="{_HEX}{s}"',
    "digest alone": lambda s: f'Digest username="a", response="{_HEX}{s}"',
    "x-auth-key": lambda s: f"X-Auth-Key: {s}",
    "cookie": lambda s: f"Cookie: session={s}; theme=dark",
    "set-cookie": lambda s: f"Set-Cookie: id={s}; Path=/",
    "signed address": lambda s: f"GET /x?X-Amz-Signature={s}&X-Amz-Credential=AK/2026",
    "proxy without a scheme": lambda s: f"proxy me:{s}@proxy.example.org:3128 refused",
    "encoded address": lambda s: quote(f"http://me:{s}@proxy.example.org", safe=""),
    "slashes escaped": lambda s: f'{{"url": "rtsp:\\/\\/me:{s}@192.0.2.9\\/live"}}',
    "web token": lambda s: f"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{s}",
    "forge": lambda s: f"pushed with ghp_16C7e42F292c6912{s}",
    "pem": lambda s: f"-----BEGIN PRIVATE KEY-----\n{s}\n-----END PRIVATE KEY-----",
    "pem that goes on elsewhere": lambda s: f"-----BEGIN RSA PRIVATE KEY-----\n{s}",
}
"""Lines of logs, messages and files, by how the secret is written."""


def random_secret(source: random.Random) -> str:
    """Letters and digits, as those who make secrets by machine take them."""
    return "K7" + "".join(source.choices(string.ascii_letters + string.digits, k=14))
