"""Common English nouns for things and subjects that people buy, use, write and ask about.

Hand-made. A noun here passes for a kind of thing on less evidence than an unknown word, which may be a verb or a name.
It is a help, not a gate: what is missing here must come back more often to be named.
"""

from __future__ import annotations

from bump_edge.text import word_set

_SINGULAR = """
    accessory accordion adapter adaptor adhesive airbrush album alarm amp amplifier animation antenna apartment app
    apron arcade armchair article assistant audiobook axe backpack badge bag ball balloon bamboo banana band bandage
    banjo bank banner bar barrel basket bass bassoon bath bathroom battery beach bean bed bedding bedroom beer belt
    bench bike bicycle bike binder binoculars biography bird birthday biscuit blade blanket blender blind blog
    blouse board boat body bolt book bookcase bookmark boot bottle bowl bra bracelet bracket bread breakfast bridge
    briefcase broom brush bucket bug builder bulb bus business cabinet cable cake calculator calendar camera
    campaign camp camping candle candy canvas cap capo car carburetor card cardboard cardigan cardstock career cargo
    carpet carrier cart cartridge case cassette cat catalog cello cereal chain chair chalk chalkboard charger chart
    cheese chess chicken chip chisel chocolate chord cinema clamp clarinet cleaner clay climbing clip clipboard
    clock closet cloth clothing cloud coach coat code coffee coffeemaker coin collar comb compass compost compressor
    computer concert conditioner connector console container contract controller cookbook cookie cooker cooking
    cooler cord corkboard costume couch course cradle craft crayon cream crib cruise crystal curtain cushion cutter
    cycling cymbal dance database dehumidifier delay desk detector device diaper diary dictionary diet dinner
    dinosaur disc dish dishwasher dispenser display distortion divider dock document documentary dog doll doorbell
    dough drawer drawing dress dresser drill drink driver drone drum drumstick dryer duster earbud earphone earplug
    earring easel editor effect egg election email emulator encyclopedia engine envelope equalizer eraser essay
    exercise expansion fabric fan farm fashion faucet feeder felt fence festival fiddle figurine file filter fish
    fishing fitness flag flanger flash flashcard flashlight flight floor flooring flour flower flute foam folder
    font food football footpedal footswitch forecast fork formula frame freezer fridge fruit fryer furniture fuse
    fuzz gadget game gamepad garage garden gardening gaming garlic gear generator glass glove glue goggles golf
    grammar grill grinder grip grocery guide guitar gum gym hairdryer hammer hammock hamster handbag handheld handle
    handset hanger hardware harmonica harness harp hat headband headphone headset headstock heater helmet
    highlighter hike hiking hinge hinge hoodie hook horn horse hose hotel house humidifier humbucker hygrometer icon
    ink inkjet insurance interface interview investment invoice jacket jam jar jeans jewelry joystick juice juicer
    kayak kettle keyboard keychain keypad kit kitchen kite kitten knife knitting knob label lace ladder lamp
    laminator language lanyard laptop laser lawn lawnmower lecture legging lego lens lentil lesson letter library
    license lighter lighting linen lipstick list lithium loan locker logo looper lotion luggage lunch machine
    magazine magnet mailer makeup mandolin map marathon marker mask masking mat math matte mattress meal meat
    medicine megaphone membership memo menu meter metronome microphone mic microwave milk mill mirror mixer modem
    module monitor mop mortgage motor motorcycle mount mountain mouse mousepad mug museum mushroom musical nail
    napkin narrator necklace needle neck network newspaper nightstand noodle note notebook notepad novel nursery nut
    oil onion opera organ organizer oscillator oven overdrive pad pacifier paddle paint painting paintbrush palette
    pan panel pants paper paperclip parking party passport password pasta paste patch payment peanut pedal
    pedalboard peg pen pencil pendant pepper percussion perfume permit pet phaser phone phonograph photo photography
    piano pick pickguard pickup pie pill pillow pin pipe pizza planner plant plate player playlist plug plugin
    plumbing pocket podcast poem poetry poker pole polish pool portfolio potato pouch powder preamp presentation
    printer processor programming projector protector pump punch puppet puppy purse puzzle quilt quiz rack racket
    radio railing rain rake razor reader receipt receiver recipe recorder recording recycling reed refill
    refrigerator regulator remote rent resistor restaurant resume reverb ribbon rice ring road robot rod rope router
    rug ruler runner running sack saddle safe salad salary salt sandal sandpaper sandwich satellite sauce saucepan
    saw saxophone scanner scarf scissors scooter scraper screw screwdriver script sculpture seat sensor server
    sewing shampoo sharpener shaver shed sheet shelf shirt shock shoe shorts shovel shower shredder sign simulator
    sink skate skateboard ski skin skirt sleeve slipper smartphone smartwatch snack sneaker snowboard soap soccer
    sock socket sofa software soldering solo song soundbar soundcard soup spatula speaker spice spinner sponge spoon
    spray spreadsheet sprinkler squash stamp stapler staple startup statue steak steel stencil stereo stethoscope
    sticker stocking stool storage stove strap strategy straw stream string stroller student studio stylus sugar
    suit suitcase sunglasses sunscreen supplement surfboard suspenders sustain sweater swimming swimsuit switch
    sword synth synthesizer syrup table tablet tape tarp tattoo tax tea teacher telephone telescope television
    tennis tent thermometer thermostat thesis thread ticket tie tile tire toaster toilet tomato toner tongs tool
    toolbox toothbrush toothpaste torch towel toy tractor traffic trailer trainer training translation transmitter
    treadmill tree tremolo trek tripod truck trumpet tshirt tube tuner tuning turntable tutorial tv typewriter
    ukulele umbrella uniform university upholstery vacation vaccine vacuum valve van vase vegetable vest videogame
    vinyl viola violin visa vise vitamin volleyball wah wallet wallpaper wardrobe washer watch water watercolor
    weather webcam website wedding wheel wheelchair whiteboard wig windscreen window wine wireless woodworking wool
    workout wreath wrench xylophone yarn yoga yogurt zipper zoo thumbstick amiibo joypad joycon cooling nut saddle
    bridge fretboard fret tailpiece tuning-peg daw mixer isolation soundhole soundproofing windshield foam
    pop-filter stompbox effects-pedal octave chorus vocoder subwoofer woofer tweeter cabinet headshell ipad iphone
    laptop chromebook macbook bookend bulletin tab flag corrector fluid nib fountain ballpoint rollerball gel mailer
    tote caddy sorter tray pushpin tack easel chalk planner ledger journal diary stationery protractor compass pouch
    sketchbook sketchpad debugging regex query algorithm compiler framework container deployment lawsuit
    symptom headache allergy therapy anxiety sleep relationship marriage parenting pregnancy baby toddler breakup
    cover-letter
"""

_UNCOUNTABLE = (
    "music cooking gaming weather photography gardening hiking camping fishing knitting travel finance politics "
    "history programming writing poetry furniture equipment software electronics clothing makeup food coffee "
    "tea wine beer"
)

QUALIFIERS: frozenset[str] = word_set(
    """
    acoustic electric electronic classical digital analog dynamic tube instrument vocal rechargeable mechanical
    colored coloured permanent ballpoint hanging desktop wooden leather stainless ceramic organic vegan vegetarian
    italian french mexican indian chinese japanese thai german spanish greek historical political medical legal
    financial mental science daisy noise tone cover comic music memory index condenser history finance wireless
    running hiking trail mountain road chess tax train steel nylon electronic baby wall weather studio state city
    poster stand weight screen slide drive light net
    """
)
"""Words that make a kind of thing narrower when they stand before it."""

THINGS: frozenset[str] = frozenset(_SINGULAR.split()) | frozenset(_UNCOUNTABLE.split())
"""Singular, lower case."""


def is_thing(word: str) -> bool:
    """Whether a folded English word, or what it is the plural of, is in `THINGS`."""
    if word in THINGS:
        return True
    if not word.endswith("s"):
        return False
    return (
        word[:-1] in THINGS
        or (word.endswith("es") and word[:-2] in THINGS)
        or (word.endswith("ies") and word[:-3] + "y" in THINGS)
    )
