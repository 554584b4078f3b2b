"""Pairing: a desktop and a box that was imaged in advance learn each other's key by a one-time code.

Somebody reads eight characters off the box (its console, ``lineside-edge code``, a label) and types them on the
desktop. SPAKE2 makes a strong key of them: whoever listens learns nothing to try codes against, and whoever takes part
has one guess for each exchange. A box gives three guesses, out of 2^40, and then makes a new code.

The exchange, over one TCP connection; :mod:`.messages` has the bytes, :mod:`.machine` the rules, :mod:`.door` and
``app.fleet.pairing`` the sockets:

====  =======  ======  =========================================================================================
step  from     kind    body
====  =======  ======  =========================================================================================
1     desktop  HELLO   ``lineside pair 1``
2     box      HELLO   JSON: the box's fingerprint and name, how many tries are left
3     desktop  KEY     SPAKE2 message of side A, 33 bytes
4     box      KEY     SPAKE2 message of side B, 33 bytes
5     desktop  SEALED  JSON: the desktop's certificate, the site's root metadata
6     box      SEALED  JSON: the box's certificate, its name, the port of its management listener
7     desktop  SEALED  empty: "I have written down who you are"
8     box      SEALED  JSON: null, and the box trusts the desktop; or the error that kept it from that
====  =======  ======  =========================================================================================

Instead of 2, 4 or 6 the box may say REFUSED with a reason. That stands outside of the seal: it is for a person to
read, and nothing is decided by it.

Why so:

- The box speaks second, and only to one who greets as a desktop does: it tells a stray program nothing.
- SPAKE2's identities are the two roles, and for the box its fingerprint too, as it stands in its HELLO: a key that was
  agreed on with one box is of no use to another, and no message can be sent back to who sent it.
- The keys come by HKDF from SPAKE2's secret, salted with the sha256 of the messages 1 to 4: a changed name or count
  gives other keys. There is one key for each direction, and the nonce counts, so none is used twice.
- The box has counted the try on its disk *before* message 4 leaves: pulling the plug does not buy another guess.
- The desktop proves the key first (5): an impostor of a desktop never sees anything made with the box's key.
- The box checks that its certificate is the fingerprint of message 2, and the desktop does, too.

What a power cut or a cut cable leaves, on either side:

- Up to message 4 nothing but a counted try, and the same code.
- Up to message 7 the desktop may have written down who the box is; the box trusts nobody, the code stands. Pair again.
- From message 7 on the box may trust the desktop, and its code is gone. The desktop knows the box's certificate: the
  next attempt finds pairing closed, calls the box over mutual TLS, and is done. That call proves both keys.
- The box trusts first and removes the code afterwards; a code beside a trusted desktop is removed at the next start.
"""
