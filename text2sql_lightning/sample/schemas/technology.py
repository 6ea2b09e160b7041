"""Schemas about software, machines and energy."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    count,
    date,
    domain,
    key,
    label,
    mix,
    names,
    number,
    ref,
    table,
    text,
    year,
)
from text2sql_lightning.sample.pools import CITIES, COUNTRIES

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "software",
        table(
            "project",
            label(
                "name",
                names(
                    "atlas|beacon|cinder|drift|ember|flux|grove|hatch|inkwell|jolt|kite|lumen|mosaic|nectar|orbit|pulse|quartz|ripple|spark|tundra"
                ),
            ),
            text("language", "C|Go|Java|Python|Rust"),
            count("stars", 0, 30000),
        ),
        table(
            "bug",
            text("status", "closed|open|stale"),
            text("priority", "high|low|medium"),
            date("creation_date", 2021, 2024),
            text("owner", "dana|eli|farah|gus", nulls=0.3),
            ref("project"),
        ),
    ),
    domain(
        "data_center",
        table(
            "server",
            label("name", mix("web|mail|cache|queue|log", "alpha|beta|gamma|delta")),
            text("system", "Debian|FreeBSD|Ubuntu|Windows"),
            text("city", CITIES, "in"),
            number("memory", 4, 512, "in GB", sums=True),
            number("price", 400, 20000, sums=True),
            text("status", "down|idle|running"),
        ),
    ),
    domain(
        "games",
        table(
            "studio",
            label("name", mix("Pixel|Iron|Night|Happy|Cosmic", "Forge|Owl|Games|Rabbit|Labs")),
            text("country", COUNTRIES, "from"),
            count("employees", 3, 600),
        ),
        table(
            "game",
            label("title", mix("Shadow|Star|Dragon|Cyber|Hidden|Eternal", "Quest|Empire|Racer|Legends|Tactics|Worlds")),
            text("genre", "action|puzzle|racing|strategy"),
            year("year", 2000, 2024),
            number("price", 3, 70),
            ref("studio"),
        ),
    ),
    domain(
        "social_network",
        table(
            "member",
            key(),
            label("name", mix("blue|happy|quick|lazy|brave", "fox|panda|tiger|koala|raven")),
            text("country", COUNTRIES, "from"),
            number("age", 16, 80),
        ),
        table(
            "post",
            key(),
            text("topic", "art|cooking|games|music|travel"),
            count("likes", 0, 2500),
            date("post_date", 2021, 2024),
            text("language", "English|French|Hindi|Spanish"),
            ref("member"),
        ),
    ),
    domain(
        "power_plants",
        table(
            "power_plant",
            label("name", mix("Lake|Hill|Coast|Canyon|Prairie|Delta", "Station|Works|Park|Field|Unit")),
            text("country", COUNTRIES, "in"),
            text("fuel", "coal|gas|solar|water|wind"),
            number("capacity", 5, 3200, "in MW", sums=True),
            year("opening_year", 1960, 2005),
            year("closing_year", 2006, 2024, nulls=0.5),
        ),
    ),
    domain(
        "factory",
        table(
            "machine",
            label("name", mix("Alpha|Beta|Gamma|Omega|Sigma", "One|Two|Three|Four")),
            text("brand", "Hartmann|Kobe|Lindner|Toshi"),
            year("year", 1998, 2023),
        ),
        table(
            "part",
            text("material", "copper|plastic|rubber|steel"),
            number("weight", 1, 90, digits=1),
            number("price", 1, 400),
            number("stock", 0, 900, sums=True),
            ref("machine"),
        ),
    ),
)
