"""Schemas about books, pictures, music and the stage."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    count,
    date,
    domain,
    key,
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
        "library",
        table("author", label("name", PEOPLE), text("country", COUNTRIES, "from"), number("age", 25, 90)),
        table(
            "book",
            label("title", mix("Silent|Golden|Hidden|Broken|Winter", "River|Garden|Harbor|Letters|Mirror|Road|Crown")),
            text("genre", "crime|fantasy|history|poetry|romance"),
            year("year", 1950, 2023),
            number("price", 5, 60),
            ref("author"),
        ),
    ),
    domain(
        "art_gallery",
        table(
            "painter",
            label("name", PEOPLE),
            text("style", "Baroque|Cubism|Realism|Surrealism"),
            year("birth_year", 1850, 1990),
        ),
        table(
            "painting",
            label("title", mix("Blue|Red|Evening|Morning|Quiet", "Harvest|Bridge|Portrait|Sea|Village|Orchard")),
            number("height", 20, 240, "in cm"),
            number("price", 500, 90000, sums=True),
            ref("painter"),
        ),
        fk_clause=True,
    ),
    domain(
        "movies",
        table(
            "movie",
            label("title", mix("Last|Lost|Midnight|Perfect|Paper", "Train|Summer|Witness|Island|Stranger|Dream|Storm")),
            text("genre", "comedy|drama|horror|western"),
            text("director", "Anna Berg|Hugo Costa|Mei Ito|Paul Kaya|Rosa Silva"),
            year("year", 1970, 2024),
            number("rating", 2, 9.8, digits=1),
            number("budget", 1, 200, "in millions", sums=True),
        ),
    ),
    domain(
        "music",
        table("musician", label("name", PEOPLE), text("country", COUNTRIES, "from"), number("age", 18, 75)),
        table(
            "song",
            label("title", mix("Run|Burn|Dance|Fall|Wait|Drive", "Away|Tonight|Slowly|Forever|Again|Home")),
            text("language", "English|French|Hindi|Korean|Spanish"),
            year("year", 1980, 2024),
            number("duration", 90, 480, "in seconds"),
            ref("musician"),
        ),
    ),
    domain(
        "theater",
        table(
            "play",
            label("title", mix("The Lost|The Blue|The Third|The Merry", "Heir|Ghost|Merchant|Sister|Clock|Garden")),
            text("genre", "comedy|farce|musical|tragedy"),
            text("language", "English|French|German|Italian"),
            number("price", 12, 95),
            number("duration", 60, 200),
            year("year", 1900, 2020),
        ),
    ),
    domain(
        "museums",
        table(
            "museum",
            label("name", mix("National|Royal|City|Modern", "Museum|Gallery|Collection|Archive")),
            text("city", CITIES, "in"),
            year("opening_year", 1850, 2015),
            number("price", 4, 40),
        ),
        table(
            "statue",
            label("title", mix("Ancient|Marble|Iron|Silver|Bronze", "Horse|Lion|Queen|Warrior|Dancer|Eagle")),
            text("material", "bronze|marble|stone|wood"),
            number("weight", 10, 900),
            ref("museum"),
        ),
    ),
    domain(
        "festivals",
        table(
            "festival",
            key(),
            label("name", mix("Sunny|Forest|Lakeside|Harbor|Desert|Moon", "Beats|Sounds|Nights|Jam|Stage")),
            text("country", COUNTRIES, "in"),
            text("genre", "folk|jazz|metal|pop|techno"),
            date("start_date", 2022, 2024),
            number("price", 25, 320),
            count("visitors", 800, 90000),
        ),
    ),
)
