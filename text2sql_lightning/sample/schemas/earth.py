"""Schemas about weather, mountains, rivers and the sky."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    count,
    date,
    domain,
    label,
    mix,
    names,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import COUNTRIES, PEOPLE

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "weather",
        table(
            "weather_station",
            label("name", mix("Alder|Birch|Falcon|Gray|Stone", "Hill|Lake|Ridge|Field|Point")),
            text("state", "Alaska|Montana|Nevada|Oregon|Texas", "in"),
            number("height", 1, 2900, "in metres"),
        ),
        table(
            "measurement",
            number("temperature", -15, 42),
            number("wind_speed", 0, 110),
            date("measurement_date", 2022, 2024),
            ref("weather_station", "station_id"),
        ),
    ),
    domain(
        "earthquakes",
        table(
            "earthquake",
            text("region", "Anatolia|Andes|California|Hokkaido|Sumatra", "in"),
            text("type", "shallow|deep|volcanic"),
            year("year", 1980, 2024),
            number("magnitude", 4, 9, digits=1),
            number("depth", 2, 600, "in km"),
            count("injuries", 0, 900),
        ),
    ),
    domain(
        "volcanoes",
        table(
            "volcano",
            label(
                "name",
                names(
                    "Aruna|Brava|Calder|Dreva|Ember|Fumara|Gorda|Hekla|Iztal|Jorun|Kaldo|Lanza|Mirador|Nyira|Ossa|Pavlo|Quill|Rinja|Semera|Tavur|Ubina|Villar|Wolfe|Yasur"
                ),
            ),
            text("country", "Chile|Iceland|Indonesia|Italy|Japan|Mexico", "in"),
            number("height", 300, 6400, "in metres"),
            text("status", "active|dormant|extinct"),
            text("type", "caldera|cone|shield"),
            year("eruption_year", 1600, 2023, nulls=0.25),
        ),
    ),
    domain(
        "mountains",
        table(
            "mountain",
            label("name", mix("Black|Broken|Cloud|Eagle|Frozen|Twin", "Peak|Horn|Tower|Needle|Dome")),
            text("country", COUNTRIES, "in"),
            number("height", 1800, 8400),
        ),
        table(
            "climber",
            label("name", PEOPLE),
            number("age", 18, 70),
            text("team", "Alpine|North|Summit|Trek"),
            date("climb_date", 2015, 2024),
            ref("mountain"),
        ),
    ),
    domain(
        "planets",
        table(
            "planet",
            label(
                "name",
                names(
                    "Arion|Belos|Ceto|Damia|Erebus|Faro|Gaios|Hestia|Icar|Juno|Koros|Leda|Mirach|Nyx|Orcus|Priam|Rhea|Sirius|Talos|Vega"
                ),
            ),
            text("type", "dwarf|gas|ice|rocky"),
            number("distance", 10, 900, "in light years"),
            number("temperature", -200, 700),
            number("size", 1, 40),
            year("discovery_year", 1950, 2024),
        ),
    ),
    domain(
        "rivers",
        table(
            "river",
            label("name", mix("Long|White|Stony|Green|Old", "Brook|Run|Fork|Water|Creek")),
            text("country", COUNTRIES, "in"),
            number("length", 12, 2900, "in km"),
        ),
        table(
            "dam",
            label("name", mix("Upper|Lower|Grand|Saint", "Alma|Bruno|Celia|Dorian|Emil|Flora|Georg")),
            text("purpose", "irrigation|power|storage"),
            number("height", 15, 300),
            year("year", 1920, 2022),
            ref("river"),
        ),
    ),
)
