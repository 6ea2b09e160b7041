"""Schemas about sport."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Bridge,
    Domain,
    count,
    date,
    domain,
    label,
    mix,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import CITIES, COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "football",
        table(
            "team",
            label("name", mix("Red|Blue|United|Royal|Dynamo", "Lions|Rovers|Eagles|City|Wolves")),
            text("city", CITIES, "from"),
            year("founding_year", 1880, 1990),
        ),
        table(
            "footballer",
            label("name", PEOPLE),
            text("position", "defender|goalkeeper|midfielder|striker"),
            number("age", 17, 39),
            count("goals", 0, 60),
            ref("team"),
        ),
    ),
    domain(
        "chess",
        table(
            "chess_player",
            label("name", PEOPLE),
            text("country", COUNTRIES, "from"),
            text("title", "candidate|expert|grandmaster|master", nulls=0.3),
            number("rating", 1400, 2800),
            year("birth_year", 1950, 2010),
            count("wins", 0, 400),
        ),
    ),
    domain(
        "athletics",
        table(
            "athlete", label("name", PEOPLE), text("country", COUNTRIES, "from"), number("height", 150, 210, "in cm")
        ),
        table(
            "competition",
            label("name", mix("Spring|Summer|Autumn|Winter", "Open|Cup|Trophy|Games|Classic")),
            text("city", CITIES, "in"),
            year("year", 2005, 2024),
        ),
        table(
            "result",
            ref("athlete"),
            ref("competition"),
            count("points", 600, 1350),
            bridge=Bridge("athlete", "who took part in", "competition", "entered by"),
        ),
    ),
    domain(
        "cycling",
        table("cyclist", label("name", PEOPLE), text("team", "Alpina|Bora|Cervo|Dynamo|Etoile"), number("age", 19, 41)),
        table(
            "stage",
            text("type", "flat|hilly|mountain"),
            number("length", 12, 240, "in km", sums=True),
            number("speed", 30, 54, digits=1),
            date("race_date", 2021, 2024),
            ref("cyclist", "winner_id"),
        ),
    ),
    domain(
        "fitness",
        table(
            "gym_class",
            label("name", mix("Power|Gentle|Morning|Evening|Total", "Stretch|Spin|Flow|Burn|Core|Balance")),
            text("trainer", "Carla Silva|David Berg|Elena Rossi|Noah Patel"),
            text("day", "Friday|Monday|Saturday|Tuesday|Wednesday"),
            number("duration", 20, 90),
            number("capacity", 6, 40),
            number("price", 5, 50),
        ),
    ),
    domain(
        "arenas",
        table(
            "arena",
            label("name", mix("Olympic|Central|North|River|Sunrise", "Park|Dome|Arena|Field")),
            text("city", CITIES, "in"),
            number("capacity", 5000, 90000, sums=True),
        ),
        table(
            "event",
            label("name", mix("Rock|Jazz|Summer|Winter|Opera", "Night|Gala|Show|Live|Party")),
            year("year", 2005, 2024),
            number("price", 20, 250),
            text("genre", "classical|hip hop|pop|rock"),
            ref("arena"),
        ),
    ),
)
