"""Schemas about software, machines and energy."""

from typing import Final

from text2sql_lightning.sample.domain import (
    Domain,
    count,
    date,
    domain,
    flag,
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
from text2sql_lightning.sample.pools import COUNTRIES

DOMAINS: Final[tuple[Domain, ...]] = (
    domain(
        "software_projects",
        table(
            "repository",
            "repository",
            key("repo_id"),
            label(
                "name",
                names(
                    "atlas|beacon|cinder|drift|ember|flux|grove|hatch|inkwell|jolt|kite|lumen|mosaic|nectar|orbit|pulse|quartz|ripple|spark|tundra"
                ),
            ),
            text("language", "C|Go|Java|Python|Rust", "programming language", says="written in {}"),
            count("stars", 0, 30000),
        ),
        table(
            "issue",
            "issue",
            key("issue_id"),
            ref("repo_id", "repository", "in"),
            text("status", "closed|open|stale", adjective=True),
            text("severity", "critical|major|minor"),
            date("created", "2022-01-01", "2024-12-31", "creation date", verb="created", most="newest", least="oldest"),
            count("comments", 0, 90),
            text("assignee", "dana|eli|farah|gus", says="assigned to {}", nulls=0.3),
        ),
    ),
    domain(
        "data_centre",
        table(
            "server",
            "server",
            key("server_id"),
            label("hostname", mix("web|db|cache|mail|queue", "alpha|beta|gamma|delta"), "host name"),
            text("os", "Debian|FreeBSD|Ubuntu|Windows", "operating system", says="running {}"),
            number("memory_gb", 4, 512, "memory size", unit="GB", sums=True),
        ),
        table(
            "incident",
            "incident",
            key("incident_id"),
            ref("server_id", "server", "on"),
            text("cause", "disk|network|power|software", "cause"),
            number("downtime", 1, 600, unit="minutes", mass=True, sums=True),
            date(
                "reported", "2023-01-01", "2024-12-31", "report date", verb="reported", most="latest", least="earliest"
            ),
            date("resolved", "2023-02-01", "2025-01-31", "resolution date", verb="resolved", nulls=0.3),
        ),
        fk_clause=True,
    ),
    domain(
        "game_studio",
        table(
            "studio",
            "studio",
            key("studio_id"),
            label("name", mix("Pixel|Iron|Night|Happy|Cosmic", "Forge|Owl|Games|Rabbit|Labs")),
            text("country", COUNTRIES, says="from {}"),
            count("employees", 3, 600),
        ),
        table(
            "video_game",
            "game",
            key("game_id"),
            label("title", mix("Shadow|Star|Dragon|Cyber|Hidden|Eternal", "Quest|Empire|Racer|Legends|Tactics|Worlds")),
            text("genre", "action|puzzle|racing|strategy"),
            year("released", 2000, 2024, "release year", verb="released", most="newest", least="oldest"),
            number(
                "price",
                3,
                70,
                digits=2,
                over="priced above {}",
                under="priced below {}",
                most="most expensive",
                least="cheapest",
            ),
            count("copies", 500, 900000, "copies sold"),
            ref("studio_id", "studio", "made by"),
        ),
    ),
    domain(
        "social_network",
        table(
            "member",
            "member",
            key("member_id"),
            label(
                "username", mix("blue|happy|quick|lazy|brave", "fox|panda|tiger|koala|raven"), "user name", person=True
            ),
            text("country", COUNTRIES, says="from {}"),
            date(
                "joined", "2015-01-01", "2023-12-31", "joining date", verb="registered", most="newest", least="oldest"
            ),
            count("followers", 0, 9000),
        ),
        table(
            "post",
            "post",
            key("post_id"),
            ref("member_id", "member", "written by"),
            text("topic", "art|cooking|games|music|travel"),
            count("likes", 0, 2500),
            date(
                "posted_on", "2023-01-01", "2024-12-31", "posting date", verb="published", most="newest", least="oldest"
            ),
            flag("edited", "edited", "unedited"),
        ),
        fk_clause=True,
    ),
    domain(
        "power_grid",
        table(
            "power_plant",
            "power plant",
            key("plant_id"),
            label("name", mix("Lake|Hill|Coast|Canyon|Prairie|Delta", "Station|Works|Park|Field|Unit")),
            text("fuel", "coal|gas|hydro|nuclear|solar|wind", "fuel"),
            text("country", COUNTRIES, says="in {}"),
            number("capacity_mw", 5, 3200, "capacity", unit="MW", most="largest", least="smallest", sums=True),
            year("opened", 1960, 2024, "opening year", verb="opened", most="newest", least="oldest"),
            text("operator", "Enerco|Gridpower|Lumina|Voltaic", says="run by {}"),
            year("closed", 2000, 2024, "closing year", verb="closed", nulls=0.6),
        ),
    ),
    domain(
        "toy_factory",
        table(
            "machine",
            "machine",
            key("machine_id"),
            label("code", mix("M|P|R|X|Z", "101|204|317|458|590"), "code"),
            text("maker", "Hartmann|Kobe|Lindner|Toshi", says="built by {}"),
            year("installed", 1998, 2023, "installation year", verb="installed", most="newest", least="oldest"),
        ),
        table(
            "production_run",
            "production run",
            key("run_id"),
            ref("machine_id", "machine", "done on"),
            text("toy", "doll|kite|puzzle|robot|train set"),
            count("units", 50, 5000),
            count("defects", 0, 120),
            date("run_date", "2023-01-01", "2024-12-31", "run date", verb="done"),
        ),
        fk_clause=True,
    ),
)
