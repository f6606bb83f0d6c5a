"""The tables: customers and what they were charged, and the users who may sign in."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "Charge", "Customer", "SignIn", "User"]

# SQLite numbers rows by itself only in a column that is called INTEGER; its integers also have 64 bits.
_BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of the tables of the example. The authorization server keeps its own."""


class Customer(Base):
    """Somebody with a balance: what they owe, in the smallest unit of the currency (no floats, see ``money``)."""

    __tablename__ = "customers"

    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    balance: Mapped[int] = mapped_column(BigInteger)


class Charge(Base):
    """An amount that was put on a customer's balance, in the smallest unit."""

    __tablename__ = "charges"

    id: Mapped[int] = mapped_column(_BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey(Customer.id), index=True)
    amount: Mapped[int] = mapped_column(BigInteger)


class User(Base):
    """Somebody who can sign in. ``id`` is the ``sub`` of their tokens: random, never a name, never used again."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=lambda: str(uuid.uuid4()))
    name: Mapped[str] = mapped_column(String(100), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))


class SignIn(Base):
    """A user who signed in and has not signed out yet. ``key_hash`` is of what the session cookie holds."""

    __tablename__ = "sign_ins"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    began_at: Mapped[int] = mapped_column(BigInteger)
