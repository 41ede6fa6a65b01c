"""The HTTP interface."""

import logging
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from .auth import (
    TokenData,
    authenticate,
    create_access_token,
    credentials_error,
    load_user,
    read_token,
)
from .database import get_session
from .models import UsageLog

logger = logging.getLogger("probeops")

app = FastAPI(title="ProbeOps")

DbSession = Annotated[Session, Depends(get_session)]
Token = Annotated[TokenData, Depends(read_token)]


class TokenResponse(BaseModel):
    access_token: str
    token_type: str = "bearer"


class UserResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    full_name: str | None
    role: str
    is_active: bool
    created_at: datetime


class PingRequest(BaseModel):
    target: str = Field(default="localhost", min_length=1, max_length=255)


class ProbeResponse(BaseModel):
    tool: str
    target: str
    requested_by: str
    status: str = "queued"


@app.exception_handler(DBAPIError)
def database_error(request: Request, error: DBAPIError) -> JSONResponse:
    """The database's own words go to the log, never to the caller."""
    # error.orig leaves out the statement and its parameters.
    logger.error("%s %s failed: %s", request.method, request.url.path, error.orig)
    return JSONResponse(status_code=500, content={"detail": "Internal server error"})


@app.get("/healthz")
def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/auth/token")
def login(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], session: DbSession
) -> TokenResponse:
    user = authenticate(session, form.username, form.password)
    if user is None:
        raise credentials_error("Incorrect email or password")
    return TokenResponse(access_token=create_access_token(user))


@app.get("/users/me")
def read_me(token: Token, session: DbSession) -> UserResponse:
    return UserResponse.model_validate(load_user(session, token))


@app.post("/probes/ping")
def ping(
    token: Token, session: DbSession, request: PingRequest | None = None
) -> ProbeResponse:
    request = request or PingRequest()
    # The bug this fixture is kept for: the row is written for whatever id the
    # token names, before anyone asks whether that user exists.
    session.add(UsageLog(user_id=token.user_id, tool="ping", target=request.target))
    session.commit()
    user = load_user(session, token)
    return ProbeResponse(tool="ping", target=request.target, requested_by=user.email)
