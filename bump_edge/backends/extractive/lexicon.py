"""Words that say how a thing is sold, praised or counted, not what it is: they cannot stand for a person's topics.

Hand-made and folded. A word missing here costs a dull phrase in a profile; a word too many costs one topic.
"""

from __future__ import annotations

import re

from bump_edge.text import word_set

ATTRIBUTES = word_set(
    """
    assorted assortment color colors colour colours multicolor multi black white blue red green yellow pink purple
    orange brown gray grey silver gold clear transparent translucent neon teal pewter beige tan navy violet
    turquoise magenta cyan ivory charcoal ebony natural bright pastel fluorescent metallic matte glossy solid dark
    light crimson tri-color tricolor mini small medium large extra xl xxl xs jumbo giant compact slim thin thick
    wide narrow long short tall big tiny fine ultra super standard regular premium deluxe basic plus pro
    professional max lite classic original new brand genuine official authentic heavy duty heavyweight lightweight
    letter legal size sized sizes a4 a5 inch inches in mm cm ft foot feet yard yards meter meters oz ounce lb lbs
    pound pounds kg gram grams ml liter liters gallon gb tb mb hz watt watts volt volts v w x pack packs packet
    count ct pc pcs piece pieces set sets box boxes bag bags bundle dozen pair pairs per each case carton roll rolls
    sheet sheets page pages quantity qty unit units total model number item part mfg sku style type version edition
    editions collector collectors collector's limited special ultimate complete goty greatest hits platinum standard
    digital code download downloadable online instant import japan japanese usa us uk region free frustration-free
    packaging packed retail oem discontinued manufacturer refurbished renewed used preowned pre-owned vary varies
    may included includes including compatible replacement assembled assembly required point tip tips capacity yield
    high low quality value sale series volume vol vols best amazon compatible patent pending uspto instant
    access online bulk weekly monthly daily
    yearly visibility high-visibility multicolor width height length depth diameter favorite favourite trusted
    assembled reliable acid-free non-toxic nontoxic washable adjustable portable wireless corded removable magnetic
    sturdy archival resistant waterproof amazon exclusive available old older generation gen year years day days one
    two three four five six seven eight nine ten first second third single double triple dual twin remastered
    remaster remake definitive hd full half left right top bottom front back inside outside soft hard cover
    hardcover paperback kindle audiobook unabridged bundle day1 launch expansion rectangle rectangular square round
    oval straight tabs/set made ready easy quick dry no non use free safe durable reusable noir blanc rouge bleu
    vert jaune gris rose lot taille petit petite grand grande nouveau nouvelle paquet boite pieces couleur kornung
    stuck blatt teilig machine specific schwarz weiss rot blau grun gelb grau rosa gross grosse klein kleine packung
    stuck set neu neue farbe grosse liter teilig negro blanco rojo azul verde amarillo gris rosa paquete tamano
    pequeno grande nuevo nueva juego piezas color unidades
    """
)
"""Sizes, colours, amounts, editions: they end no kind of thing."""

GENERIC = word_set(
    """
    product products item items thing things stuff quality price prices purchase purchases review reviews star stars
    rating amazon seller money buck bucks dollar dollars value deal bargain cost costs cheap order orders shipping
    delivery package lot lots bit bits way ways kind kinds sort sorts type types people person guy guys everyone
    anyone someone friend friends wife husband son daughter kid kids family brother sister mother father mom dad
    boyfriend girlfriend man woman time times day days week weeks month months year years hour hours minute minutes
    today yesterday tomorrow night morning while moment past future job use uses user users reason reasons problem
    problems issue issues complaint complaints question questions answer idea ideas opinion experience choice option
    options example fact case point points part parts piece pieces side sides end ends top bottom front back edge
    middle half number numbers set pair couple bunch ton tons great good nice best better bad worse worst awesome
    amazing excellent perfect perfectly fantastic wonderful decent fine cool solid super happy glad pleased
    satisfied disappointed love loved loves like liked likes hate hated easy easily hard difficult simple simply
    beautiful pretty fun funny sweet big huge small little large tiny long short high low low new old cheap cheaper
    cheapest expensive inexpensive affordable worth worthy sturdy durable light heavy real true sure different same
    similar exact exactly extra free full whole entire main major minor right wrong correct fast quick quickly slow
    work works worked working buy buys bought buying sell sold get gets got getting give gives gave make makes made
    making use used using need needs needed want wants wanted try tries tried trying play plays played playing put
    puts putting keep keeps kept hold holds held holding fit fits fitted look looks looked looking sound sounds
    sounded sounding feel feels felt feeling go goes went going come comes came coming take takes took taking seem
    seems think thinks thought know knows knew say says said find finds found tell tells told see sees saw seen
    recommend recommended recommends expect expected expecting purchase purchased ordered arrived received return
    returned replace replaced install installed set setup help helps helped add adds added bring turn turns turned
    start started stop stopped happen happened break breaks broke broken last lasts lasted read write wrote own
    owned owns call called run runs running change changes changed move moves moved open opens closed close
    definitely absolutely certainly probably actually basically literally honestly highly extremely incredibly
    really very job hype bang complaint beat beats wait plus pros cons con pro wow yes ok okay thanks thank please
    edit update description advertised described picture pictures photo photos company customer service instructions
    instruction manual box packaging brand brands model models version versions line level difference differences
    size sizes color colors colour feature features thought thoughts sense matter hand hands head mind eye eyes life
    world place home house room area space spot name names word words title titles page pages site website video
    videos story stories chance trouble addition advantage advice amount beginner beginners beginning buyer caveat
    condition concern control function style rest impression improvement investment job learning luck mistake
    money's need nothing player players pleasure pricing purpose range result results something standard stock
    surprise test thumb trick try upgrade variety winner bueno buena malo producto precio calidad cosa cosas vez dia
    dias ano anos gut gute guter gutes super toll klasse schon preis qualitat produkt artikel sache zeit tag tage
    jahr jahre produit qualite prix chose fois jour jours bien bon bonne tres monday tuesday wednesday thursday
    friday saturday sunday january february march april june july august september october november december
    christmas month's plenty yr yrs hrs mins etc lol btw imo thx hi hello hey please
    """
)
"""Words of praise, trade and small talk that every review or message has."""

VERBS = word_set(
    """
    accept accepts achieve adjust adjusts adjusted allow allowed appear appears apply applied arrive assume attach
    attached avoid become believe blow blows build builds came carry carries catch cause causes charge charged check
    checked choose clean cleaned clip clipped come compare compared complain connect connected consider contain
    control controls cover covered create created cut cuts deal decide decided deliver delivered depend depends
    design designed develop die died disappoint do drop dropped end enjoy enjoyed ensure exist expect fail failed
    fall falls feed fell figure figured fill finish finished fix fixed follow forget got grab grow guess hang hangs
    happen hear heard hit hits hope hoped hook hooked include included intend intended jump kick kill kinda know
    learn learned learning leave leaves left let lets lie listen live load loaded lock lose lost manage match
    matched mean means meet mention mentioned miss missing mount mounted move notice noticed offer offers pay paid
    perform performs pick picked place placed plan plug plugged plugs plugging practice prefer prepare present
    prevent produce produces protect protects provide provides pull pulled push pushed range reach realize receive
    record recorded reduce remain remember remove removed require required respond rest ride ring rock roll rub save
    saved screw search send sent serve setting shape ship shipped show shows shut sit sits slip slips slide snap
    solve sort sounding spend spent stand stands stay stays stick sticks stretch strum struggle suck sucks suggest
    suit support supports suppose switch talk talking tear thank think throw tighten tie touch track travel trust
    tune tuned tunes tuning twist understand upgrade upgraded wait walk wear wears win wish wonder worry wrap yield
    gonna gotta wanna bent bother bothered dial dialed dont doesnt didnt cant wont ive im alternatively additionally
    personally hopefully overall lightly tightly firmly smoothly cleanly smooth crisp loud louder lighter heavier
    better stronger warm warmer bright brighter clean clear dirty tight loose rough thicker thinner reasonable
    ridiculous outstanding incredible terrible horrible impressive comfortable convenient flexible reliable
    available careful willing curious lucky picky useless useful perfect ideal typical proper overpriced solidly
    maybe though otherwise somehow anyway instead etc
    """
)
"""Verbs, adverbs and praise that end a noun phrase in English texts."""

ASPECTS = word_set(
    """
    sound tone tones noise hum hiss volume intonation sustain feedback latency price weight comfort finish design
    look looks battery portability accuracy durability stability versatility construction build texture taste flavor
    flavour smell scent fit plot characters acting soundtrack graphics gameplay ending pacing service staff location
    view breakfast speed performance reliability warranty klang verarbeitung lautstarke akku komfort geschmack bruit
    confort gout sabor ruido comodidad
    """
)
"""What a person judges a thing by; named apart from the things."""

JUDGEMENTS = {
    word: weight
    for weight, listed in (
        (0.8, "excellent perfect awesome easy cheap amazing"),
        (
            1.0,
            "wonderful decent solid sturdy inexpensive affordable durable simple comfortable beautiful fun loud "
            "clear clean heavy lightweight bright warm smooth quiet accurate reliable versatile rugged tight "
            "flexible fantastic superb expensive bad poor flimsy noisy disappointing difficult awful terrible "
            "thin weak useless overpriced boring slow fast funny delicious fresh bland salty crispy friendly "
            "helpful clever moving touching predictable dull gripping cozy ",
        ),
    )
    for word in listed.split()
}
"""English words of judgement, and how much each tells about who uses it: what everybody says (great) tells nothing."""

NEGATIONS = word_set(
    """
    not no never isn't wasn't aren't don't doesn't didn't can't too nothing hardly without
    """
)

TITLE_WORDS = word_set(
    """
    game games movie movies film films story stories world star dead dark war wars night day days man men woman
    women girl girls boy boys love life time house black white red blue green last first final lost great little big
    american super new city king queen dragon blood death heart home road island adventure adventures legend legends
    return rise battle chronicles collection trilogy edition part episode season volume book vol live greatest hits
    ultimate best band orchestra dj mc lil los las les die le la el der das the one two three project brothers
    sisters young old secret end good bad evil true wild high kids saint metal hidden tom gold mr mrs dr miss john
    david james michael paul chris super mega all you your my we it's i
    """
)
"""Words that many unrelated titles share: alone, they are no series."""

PLATFORM = re.compile(
    r"(?:sony |nintendo |microsoft |apple |sega )?"
    r"(?:playstation|ps|psp|ps vita|playstation vita|xbox|xbox one|xbox 360|xbox series [xs]|wii|wii u|gamecube|"
    r"game cube|switch|nintendo|3ds|ds|dsi|game boy|gameboy|n64|nes|snes|genesis|dreamcast|saturn|pc|mac|"
    r"windows|linux|ios|ipad|"
    r"iphone|android|steam|kindle|audible|netflix|youtube|spotify|wikipedia|reddit|github|hulu|disney\+|twitch|soundcloud|"
    r"bandcamp|vinyl|cd|dvd|blu-ray|4k)(?: ?[1-5]| 64| advance)?",
    re.I,
)
"""Names of platforms, sites and media: what such a trailing part says, it says about where a thing is used."""

HOSTILE = re.compile(
    r"\b(?:ignor\w*|disregard\w*|jailbreak\w*|instruct\w*|prompts?|overrid\w*|bypass\w*|assistants?|chatbots?|"
    r"language models?|you (?:are|must|should|will|shall|have to)|as an ai|system message|from now on|pretend|"
    r"api[_ ]?keys?|passwords?|anweisung\w*|missacht\w*|vergiss|consignes?|oublie[rz]?|instruccion\w*|olvida\w*|"
    r"istruzion\w*|"
    r"instruc(?:ao|oes)|инструкц\w*)\b"
    r"|忽略|指令|无视|無視|指示",
    re.I,
)
"""Text that speaks to a model rather than names a thing. It never becomes part of a profile."""

ADDRESSES = re.compile(
    r"https?:|www\.|\S+@\S+\.\w|[{}<>|\\`$^~=]|::|\w{25,}|\d{6,}|^#|\w+\.(?:com|net|org|io|exe|pdf|js|py)\b", re.I
)
"""Addresses, markup and codes: nothing that a sentence could say."""

COMMON_LABELS = {
    "drama": 0.45, "comedy": 0.38, "action": 0.3, "thriller": 0.27, "adventure": 0.24, "romance": 0.19, "sci-fi": 0.19,
    "crime": 0.18, "fantasy": 0.13, "fiction": 0.4, "rock": 0.35, "pop": 0.3, "news": 0.3, "music": 0.25,
    "entertainment": 0.25, "literature": 0.2, "nonfiction": 0.2, "children": 0.1, "mystery": 0.09, "horror": 0.09,
}  # fmt: skip
"""Labels that most catalogues put on much of what they hold, and roughly on how much: they set a user apart less."""

LOWERED_KEYS = word_set(
    """
    genre genres category categories tag tags topic topics subject subjects kind kinds section
    """
)
"""Keys of `meta` whose values are kinds of things, written in lower case, rather than names."""

PREPOSITIONS = word_set(
    """
    for with w by in from on to and or of at as per via using über für mit von aus und oder bei zu pour avec de du
    des en et ou sans par para con por y o sin del la le les a an the
    """
)
"""Words at which a product's title stops to name the product."""

NAME_ENDS = word_set(
    """
    of the a an and or for with in on at to by from vs feat ft la le de der die das und y et e & - : ,
    """
)
"""Words that no name can end with."""
