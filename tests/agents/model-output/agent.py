"""A model of pydantic as the result."""

from pydantic import BaseModel


class Place(BaseModel):
    name: str


def run(input):
    return Place(name=input)
