"""Make and check stored passwords with the libraries of Python apps.

Reads JSON lines from standard input and prints one JSON line for each:

    {"make": FORMAT, "password": ...}                 -> {"ok": true, "hash": ...}
    {"check": FORMAT, "hash": ..., "password": ...}   -> {"ok": true, "right": bool}

or {"ok": false, "error": "ClassName"}, the class of the exception. FORMAT is one of FORMATS below:
"library format". What is made here is as cheap as the library allows, since it lives as long as one
test. Secrets come by standard input, never by argument.
"""

import json
import sys
import types
import warnings
from typing import Any, Callable

warnings.simplefilter("ignore", DeprecationWarning)

import argon2
import bcrypt
from django.conf import settings
from django.contrib.auth import hashers
from passlib import hash as passlib_hash
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from werkzeug.security import check_password_hash, generate_password_hash

HASHERS = "PBKDF2 PBKDF2SHA1 Argon2 BCryptSHA256 BCrypt Scrypt".split()
settings.configure(
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS]
)

# passlib 1.7 tries bcrypt with a long password, which bcrypt cut off before its version 5 and refuses since.
before_5 = types.ModuleType("bcrypt")
before_5.__about__ = types.SimpleNamespace(__version__=bcrypt.__version__)
before_5.hashpw = lambda password, salt: bcrypt.hashpw(password[:72], salt)
sys.modules["bcrypt"] = before_5
passlib_hash.bcrypt_sha256.set_backend("bcrypt")
sys.modules["bcrypt"] = bcrypt

Make = Callable[[str], str]
Check = Callable[[str, str], bool]


def bcrypt_of(prefix: bytes) -> tuple[Make, Check]:
    def make(password: str) -> str:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix)).decode()

    def check(stored: str, password: str) -> bool:
        return bcrypt.checkpw(password.encode(), stored.encode())

    return make, check


def argon2_of(kind: argon2.Type) -> tuple[Make, Check]:
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=256, parallelism=2, type=kind)

    def check(stored: str, password: str) -> bool:
        try:
            return hasher.verify(stored, password)
        except argon2.exceptions.VerifyMismatchError:
            return False

    return hasher.hash, check


def pwdlib_of(hasher: Any) -> tuple[Make, Check]:
    context = PasswordHash((hasher,))

    def check(stored: str, password: str) -> bool:
        return context.verify(password, stored)

    return context.hash, check


def django_of(name: str, **cheap: int) -> tuple[Make, Check]:
    hasher = hashers.get_hasher(name)
    attributes = {key: value for key, value in cheap.items() if hasattr(hasher, key)}
    for key, value in attributes.items():
        setattr(hasher, key, value)

    def make(password: str) -> str:
        return hasher.encode(password, hasher.salt())

    def check(stored: str, password: str) -> bool:
        # As check_password does: the hasher is found by the stored text.
        return hashers.identify_hasher(stored).verify(password, stored)

    return make, check


def werkzeug_of(method: str) -> tuple[Make, Check]:
    def make(password: str) -> str:
        return generate_password_hash(password, method)

    return make, check_password_hash


def passlib_of(handler: Any, **cheap: Any) -> tuple[Make, Check]:
    def check(stored: str, password: str) -> bool:
        return handler.verify(password, stored)

    return handler.using(**cheap).hash, check


FORMATS: dict[str, tuple[Make, Check]] = {
    "bcrypt 2b": bcrypt_of(b"2b"),
    "bcrypt 2a": bcrypt_of(b"2a"),
    "argon2-cffi argon2id": argon2_of(argon2.Type.ID),
    "argon2-cffi argon2i": argon2_of(argon2.Type.I),
    "pwdlib argon2id": pwdlib_of(Argon2Hasher(time_cost=1, memory_cost=512, parallelism=1)),
    "pwdlib bcrypt": pwdlib_of(BcryptHasher(rounds=4)),
    "django pbkdf2_sha256": django_of("pbkdf2_sha256", iterations=1000),
    "django pbkdf2_sha1": django_of("pbkdf2_sha1", iterations=1000),
    "django scrypt": django_of("scrypt", work_factor=1024, parallelism=2),
    "django argon2": django_of("argon2", time_cost=2, memory_cost=256, parallelism=2),
    "django bcrypt_sha256": django_of("bcrypt_sha256", rounds=4),
    "django bcrypt": django_of("bcrypt", rounds=4),
    "werkzeug scrypt": werkzeug_of("scrypt:1024:8:2"),
    "werkzeug pbkdf2:sha256": werkzeug_of("pbkdf2:sha256:1000"),
    "werkzeug pbkdf2:sha1": werkzeug_of("pbkdf2:sha1:1000"),
    "werkzeug pbkdf2:sha512": werkzeug_of("pbkdf2:sha512:1000"),
    "passlib pbkdf2_sha1": passlib_of(passlib_hash.pbkdf2_sha1, rounds=1000),
    "passlib pbkdf2_sha256": passlib_of(passlib_hash.pbkdf2_sha256, rounds=1000),
    "passlib pbkdf2_sha512": passlib_of(passlib_hash.pbkdf2_sha512, rounds=1000),
    "passlib bcrypt_sha256": passlib_of(passlib_hash.bcrypt_sha256, rounds=4),
    "passlib bcrypt_sha256 v1": passlib_of(
        passlib_hash.bcrypt_sha256, rounds=4, version=1, ident="2a"
    ),
    "passlib sha256_crypt": passlib_of(passlib_hash.sha256_crypt, rounds=1000),
    "passlib sha512_crypt": passlib_of(passlib_hash.sha512_crypt, rounds=1000),
    "passlib phpass": passlib_of(passlib_hash.phpass, rounds=7),
    "passlib phpass H": passlib_of(passlib_hash.phpass, rounds=7, ident="$H$"),
}


def answer(line: bytes) -> dict[str, Any]:
    # Anything at all may be wrong with an input; each still gets its one line.
    try:
        request = json.loads(line)
        if "make" in request:
            make, _ = FORMATS[request["make"]]
            return {"ok": True, "hash": make(request["password"])}
        _, check = FORMATS[request["check"]]
        return {"ok": True, "right": bool(check(request["hash"], request["password"]))}
    except Exception as error:
        return {"ok": False, "error": type(error).__name__}


def main() -> None:
    for line in sys.stdin.buffer:
        if line.strip():
            # Flushed, so that a test may ask one question at a time.
            print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
