"""Any other parameter is the input of that name; what isn't given keeps its default."""


def run(city, days=7, *, unit="C"):
    return f"{city} for {days} days in {unit}"
