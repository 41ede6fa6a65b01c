"""Settings, read from the environment once, when the process starts.

Reading them once is the point: a pod keeps the secret it was started with, so
a changed Secret object does nothing until the pods are restarted.
"""

import os
from dataclasses import dataclass

# "none" and the asymmetric algorithms are left out on purpose: the app has one
# shared secret, and a token must not choose how it is checked.
SUPPORTED_ALGORITHMS = ("HS256", "HS384", "HS512")


@dataclass(frozen=True)
class Settings:
    database_url: str
    jwt_secret: str
    jwt_algorithm: str


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise RuntimeError(f"{name} is not set")
    return value


def _sqlalchemy_url(url: str) -> str:
    """Name the driver, so that plain libpq-style URLs work as well."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    if not url.startswith("postgresql+psycopg://"):
        raise RuntimeError("DATABASE_URL must be a postgresql:// URL")
    return url


def load_settings() -> Settings:
    algorithm = os.environ.get("JWT_ALGORITHM") or "HS256"
    if algorithm not in SUPPORTED_ALGORITHMS:
        raise RuntimeError("JWT_ALGORITHM must be HS256, HS384 or HS512")
    return Settings(
        database_url=_sqlalchemy_url(_required("DATABASE_URL")),
        # Used byte for byte: a stray newline in the Secret is another key.
        jwt_secret=_required("JWT_SECRET"),
        jwt_algorithm=algorithm,
    )


settings = load_settings()
