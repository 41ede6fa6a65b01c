"""The engine and the per-request session."""

from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from .config import settings

# pre_ping: a database that was restarted under the app costs no request.
# connect_timeout: a database that is gone gives an error, not a hang.
engine = create_engine(
    settings.database_url,
    pool_pre_ping=True,
    connect_args={"connect_timeout": 5},
)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session
