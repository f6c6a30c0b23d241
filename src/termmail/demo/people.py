"""Who writes in the demo."""

from __future__ import annotations

from termmail.demo.compose import Person

LISA = Person("Lisa Brandt", "lisa@demo.example")
BOB = Person("Bob Marlow", "bob@demo.example")

MIRA = Person("Mira Okonkwo", "mira@skarvik.example")
HENRIK = Person("Henrik Dahl", "henrik@skarvik.example")
BOARD = Person("Friends of Skarvik Light", "friends@skarvik.example")
PRIYA = Person("Priya Raman", "priya@optics.example")
TOMAS = Person("Tomás Ferreira", "tomas@example.net")
INGRID = Person("Ingrid Solheim", "ingrid.solheim@coast.example")
MARTA = Person("Marta Brandt", "marta@example.org")

OLGA = Person("Ольга Смирнова", "olga@mayak.example")
ELENI = Person("Ελένη Παπαδάκη", "eleni@nisi.example")
YOUSSEF = Person("يوسف حداد", "youssef@mina.example")
NOA = Person("נועה לוי", "noa@migdalor.example")
SATO = Person("佐藤 健一", "sato@todai.example")
ANITA = Person("अनीता शर्मा", "anita@deepghar.example")

JONAS = Person("Jonas Weber", "jonas@example.com")
SAM = Person("Sam Whitfield", "sam@example.com")
TIDES = Person("tidetable", "tidetable@lists.example")
