"""Passwords, tokens, and who is asking."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import bcrypt
import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import select
from sqlalchemy.orm import Session

from .config import settings
from .models import User

TOKEN_LIFETIME = timedelta(days=1)
MAX_USER_ID = 2**31 - 1  # users.id is a PostgreSQL integer

oauth2_scheme = OAuth2PasswordBearer(tokenUrl="/auth/token")


@dataclass(frozen=True)
class TokenData:
    user_id: int
    issued_at: int | None


def credentials_error(detail: str = "Could not validate credentials") -> HTTPException:
    return HTTPException(
        status_code=status.HTTP_401_UNAUTHORIZED,
        detail=detail,
        headers={"WWW-Authenticate": "Bearer"},
    )


def verify_password(password: str, hashed_password: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode(), hashed_password.encode())
    except ValueError:
        # Not a bcrypt hash, or a password beyond bcrypt's 72 bytes: no match.
        return False


def is_usable(user: User | None) -> bool:
    return user is not None and user.is_active and user.deleted_at is None


def authenticate(session: Session, email: str, password: str) -> User | None:
    user = session.scalar(select(User).where(User.email == email))
    if not is_usable(user) or not verify_password(password, user.hashed_password):
        return None
    return user


def create_access_token(user: User) -> str:
    now = datetime.now(UTC)
    claims = {"sub": str(user.id), "iat": now, "exp": now + TOKEN_LIFETIME}
    return jwt.encode(claims, settings.jwt_secret, algorithm=settings.jwt_algorithm)


def read_token(token: Annotated[str, Depends(oauth2_scheme)]) -> TokenData:
    """Check the token by itself; whether its user exists is another question."""
    try:
        claims = jwt.decode(
            token,
            settings.jwt_secret,
            algorithms=[settings.jwt_algorithm],
            options={"require": ["exp", "sub"]},
        )
    except jwt.InvalidTokenError:
        raise credentials_error() from None
    sub = claims["sub"]
    # int() alone would also take " 4711", "4_711" and digits of other scripts.
    if not (sub.isascii() and sub.isdigit() and len(sub) <= 10):
        raise credentials_error()
    user_id = int(sub)
    if user_id > MAX_USER_ID:
        raise credentials_error()
    # PyJWT has checked that `iat`, when there is one, is a number in some form.
    issued_at = int(claims["iat"]) if "iat" in claims else None
    return TokenData(user_id=user_id, issued_at=issued_at)


def load_user(session: Session, token: TokenData) -> User:
    """The token's user, or 401."""
    user = session.get(User, token.user_id)
    if not is_usable(user):
        raise credentials_error()
    if user.tokens_valid_after is not None:
        # `iat` has whole seconds. Comparing with the fraction would refuse a
        # token issued just after the cut-off, within the same second.
        not_before = int(user.tokens_valid_after.timestamp())
        if token.issued_at is None or token.issued_at < not_before:
            raise credentials_error()
    return user
