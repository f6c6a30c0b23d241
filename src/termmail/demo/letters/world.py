"""Mail in many scripts, from lighthouse people everywhere."""

from __future__ import annotations

from termmail.demo.compose import Pen, say
from termmail.demo.people import ANITA, ELENI, LISA, MARTA, NOA, OLGA, SATO, YOUSSEF


def write_world(pen: Pen) -> None:
    """Cyrillic in KOI8-R, Japanese in ISO-2022-JP, the others in UTF-8."""
    clock = pen.clock
    olga = pen.write(
        sender=OLGA, to=[LISA], subject="Чертежи фонарного сооружения", when=clock.day(1, 11, 20), zone_hours=3
    )
    say(
        olga,
        """
        Здравствуйте, Лиза!

        Нашла в архиве чертежи того самого маяка, о котором Вы спрашивали: три листа, тушь, 1898 год. Отсканирую на
        следующей неделе, когда починят большой сканер.

        Если понадобится перевод подписей, пишите, почерк там тот ещё.

        С уважением,
        Ольга
        """,
        charset="koi8-r",
    )
    pen.deliver(olga, "INBOX", "\\Seen", relay="mx.mayak.example")

    eleni = pen.write(
        sender=ELENI, to=[LISA], subject="Χαιρετίσματα από τον φάρο", when=clock.day(2, 19, 5), zone_hours=2
    )
    say(
        eleni,
        """
        Καλησπέρα Λίζα,

        ο φάρος άναψε πάλι χθες το βράδυ, μετά από δεκαεπτά χρόνια. Μαζεύτηκε όλο το νησί. Ο παπάς ευλόγησε τη λάμπα
        και ο δήμαρχος μίλησε πολύ, όπως πάντα.

        Πότε θα έρθεις να τον δεις;

        Φιλιά,
        Ελένη
        """,
    )
    pen.deliver(eleni, "INBOX", "\\Seen", "\\Answered", relay="mail.nisi.example")

    youssef = pen.write(
        sender=YOUSSEF, to=[LISA], subject="صور من منارة الميناء", when=clock.day(2, 8, 44), zone_hours=2
    )
    say(
        youssef,
        """
        مرحبا ليزا،

        شكرًا على رسالتك. زرت المنارة القديمة يوم الجمعة مع ابنتي، وعددنا 142 درجة حتى القمة (هي تقول 143).

        سأرسل لك الصور هذا الأسبوع إن شاء الله.

        مع أطيب التحيات،
        يوسف
        """,
    )
    pen.deliver(youssef, "INBOX", "\\Seen", relay="mx.mina.example")

    noa = pen.write(sender=NOA, to=[LISA], subject="שאלה קטנה על העדשה", when=clock.day(3, 14, 30), zone_hours=2)
    say(
        noa,
        """
        היי ליזה,

        ראיתי באתר שלכם שהעדשה היא מסדר שלישי (third order). אצלנו במגדלור יש אחת דומה, עם לוחית של היצרן משנת 1904.

        אפשר לקבל תמונה של הלוחית שלכם?

        תודה,
        נועה
        """,
    )
    pen.deliver(noa, "INBOX", relay="mail.migdalor.example")

    sato = pen.write(sender=SATO, to=[LISA], subject="灯台の写真について", when=clock.day(4, 3, 10), zone_hours=9)
    say(
        sato,
        """
        リサ様

        先日は灯台の写真をお送りいただき、ありがとうございました。
        夕暮れの一枚がとても美しく、事務所の壁に飾らせていただきました。

        来年の春、そちらへ伺う予定です。
        その時にレンズを見せていただけましたら幸いです。

        佐藤 健一
        """,
        charset="iso-2022-jp",
        flow=False,
    )
    pen.deliver(sato, "INBOX", "\\Seen", "\\Flagged", relay="mx.todai.example")

    anita = pen.write(
        sender=ANITA, to=[LISA], subject="दीपघर की वर्षगाँठ पर निमंत्रण", when=clock.day(5, 6, 25), zone_hours=5
    )
    say(
        anita,
        """
        नमस्ते लीसा,

        हमारे दीपघर को इस वर्ष सौ साल पूरे हो रहे हैं। हम चाहते हैं कि आप भी इस उत्सव में शामिल हों।

        यदि आप नहीं आ सकें, तो एक छोटा-सा संदेश भेज दीजिए, हम उसे सबके सामने पढ़ेंगे।

        सादर,
        अनीता
        """,
    )
    pen.deliver(anita, "INBOX", "\\Seen", relay="mail.deepghar.example")

    marta = pen.write(sender=MARTA, to=[LISA], subject="🐈 found, safe, unrepentant 🎉", when=clock.day(1, 20, 55))
    say(
        marta,
        """
        He was in the airing cupboard ALL ALONG 🙄 with two of your father's socks and what is left of a salmon
        sandwich 🥪

        No harm done 👍🏽 Thank you for putting up the posters 💛 (You can take them down. All forty.)

        Mum 👩‍🦳
        """,
    )
    pen.deliver(marta, "INBOX", "\\Seen", relay="mx.example.org")
