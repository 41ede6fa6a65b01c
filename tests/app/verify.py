"""Check tokens and password hashes with the app's own libraries.

Reads JSON lines from standard input and prints one JSON line for each:

    {"kind": "jwt", "token": ..., "secret": ..., "algorithms": [...],
     "audience": ..., "issuer": ...}          -> {"ok": true, "claims": {...}}
    {"kind": "jwks", "token": ..., "jwks": {"keys": [...]}, "algorithms": [...]}
                                              -> {"ok": true, "claims": {...}}
    {"kind": "sign", "message": ..., "key": PEM, "algorithm": ..., "der": bool}
                                       -> {"ok": true, "signature": base64url}
    {"kind": "public", "key": PEM}     -> {"ok": true, "pem": ...,
                                                "jwk": {...}, "private": {...}}
    {"kind": "bcrypt", "hash": ..., "password": ...}             -> {"ok": true}
    {"kind": "argon2", "hash": ..., "password": ...}             -> {"ok": true}
    {"kind": "hash-bcrypt", "password": ...}      -> {"ok": true, "hash": ...}
    {"kind": "hash-argon2", "password": ...}      -> {"ok": true, "hash": ...}

or {"ok": false, "error": "ClassName"}, the class of the exception. A wrong
password is VerifyMismatchError for both kinds of hash; bcrypt itself raises
nothing there. audience and issuer may be absent or null. Secrets come by
standard input, never by argument.
"""

import json
import sys
import warnings
from typing import Any

import argon2
import bcrypt
import jwt
from argon2.exceptions import VerifyMismatchError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

argon2_hasher = argon2.PasswordHasher()


def check_jwt(request: dict[str, Any]) -> dict[str, Any]:
    claims = jwt.decode(
        request["token"],
        request["secret"],
        algorithms=request["algorithms"],
        audience=request.get("audience"),
        issuer=request.get("issuer"),
    )
    return {"claims": claims}


def check_jwks(request: dict[str, Any]) -> dict[str, Any]:
    # As PyJWKClient does: the key is the one that the header names.
    named = jwt.get_unverified_header(request["token"])["kid"]
    key = jwt.PyJWKSet.from_dict(request["jwks"])[named].key
    claims = jwt.decode(request["token"], key, algorithms=request["algorithms"])
    return {"claims": claims}


def sign(request: dict[str, Any]) -> dict[str, Any]:
    algorithm = jwt.PyJWS().get_algorithm_by_name(request["algorithm"])
    key = algorithm.prepare_key(request["key"])
    message = request["message"].encode()
    if request.get("der"):
        signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    else:
        signature = algorithm.sign(message, key)
    return {"signature": base64url_encode(signature).decode()}


def public(request: dict[str, Any]) -> dict[str, Any]:
    private = serialization.load_pem_private_key(request["key"].encode(), None)
    key = private.public_key()
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if isinstance(key, rsa.RSAPublicKey):
        algorithm = RSAAlgorithm
    elif isinstance(key, ec.EllipticCurvePublicKey):
        algorithm = ECAlgorithm
    else:
        algorithm = OKPAlgorithm
    return {
        "pem": pem.decode(),
        "jwk": algorithm.to_jwk(key, as_dict=True),
        "private": algorithm.to_jwk(private, as_dict=True),
    }


def check_bcrypt(request: dict[str, Any]) -> dict[str, Any]:
    if not bcrypt.checkpw(request["password"].encode(), request["hash"].encode()):
        raise VerifyMismatchError
    return {}


def check_argon2(request: dict[str, Any]) -> dict[str, Any]:
    argon2_hasher.verify(request["hash"], request["password"])
    return {}


def hash_bcrypt(request: dict[str, Any]) -> dict[str, Any]:
    # Cost 4: these hashes live as long as one test.
    salt = bcrypt.gensalt(rounds=4)
    return {"hash": bcrypt.hashpw(request["password"].encode(), salt).decode()}


def hash_argon2(request: dict[str, Any]) -> dict[str, Any]:
    return {"hash": argon2_hasher.hash(request["password"])}


KINDS = {
    "jwt": check_jwt,
    "jwks": check_jwks,
    "sign": sign,
    "public": public,
    "bcrypt": check_bcrypt,
    "argon2": check_argon2,
    "hash-bcrypt": hash_bcrypt,
    "hash-argon2": hash_argon2,
}


def answer(line: bytes) -> dict[str, Any]:
    # Anything at all may be wrong with an input; each still gets its one line.
    try:
        request = json.loads(line)
        return {"ok": True} | KINDS[request["kind"]](request)
    except Exception as error:
        return {"ok": False, "error": type(error).__name__}


def main() -> None:
    # Short keys are part of what the tests try.
    warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
    for line in sys.stdin.buffer:
        if line.strip():
            # Flushed, so that a test may ask one question at a time.
            print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
