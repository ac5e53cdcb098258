"""Sentences that a profile may well say, the ones that look like an attack among them."""

BENIGN = """
Builds and sets up guitars at home: buys pickups, fret files and strings in bulk, and writes about tone.
Plays blues through small tube amps.
Rates generously, but marks down anything noisy.
Since March turning to home recording: two microphones and an interface.
Comes back to Call of Duty and The Sims 3.
Listens to Run the Jewels and Open Mike Eagle most.
Writes reviews that answer other buyers' questions.
Uses the budgeting section in the evenings.
Buys system cases and note cards.
Plays Follow the Leader.
Rates assistants' desks and office chairs highly.
Reads about AI models.
Reads papers on language models and prompt design.
Buys books about chatbots.
Watches films about artificial intelligence, among them Ex Machina and Her.
Asks about recipes and train times in the morning.
Searches for answers to tax questions.
Looks for gift ideas in December.
Collects model trains and model cars in every scale.
Builds model kits, mostly aeroplanes.
Buys instruction manuals for old synthesizers.
Buys memory cards, memory foam pillows and SD readers.
Saves recipes and travel articles.
Writes about system administration and Linux.
Plays System Shock 2 and Assassin's Creed.
Rates The Manchurian Candidate and The Assistant high.
Plays The Elder Scrolls and Command & Conquer.
Listens to The Prodigy, Rage Against the Machine and No Doubt.
Listens to Always, Never Shout Never and Say Anything.
Listens to You Me at Six and We Are Scientists.
Rates Do the Right Thing, Say Anything and Kill Bill high.
Rates You've Got Mail and Catch Me If You Can low.
Watches Must Love Dogs, The Blind Side and Stop Making Sense.
Buys labels, ink and must-have desk accessories.
Buys password logbooks and address books.
Buys index cards, prompt cards and message boards.
Keeps a log of tea tastings.
Follows recipes closely and writes down every change.
Orders green tea every month, always loose leaf.
Never rates a film below three stars.
Always returns to drama and crime.
Prefers short, dry reviews and plain packaging.
Prefers budget strings to premium brands.
Wants sturdy gear: returns anything that wobbles.
Recommends tube amps and praises sturdy cables in reviews.
Mentions delivery times in most reviews.
Names Fender and Gibson most often.
Includes photos with most reviews.
Responds to questions about pedals.
Likes quiet keyboards with a low profile.
Likes stories about robots, spies and lost cities.
Asks friends and forums about hiking boots.
Tells of long bike tours along the Danube.
Sends postcards from every trip.
Buys toner for HP Color LaserJet Pro M254dw printers.
Buys AV cables for PS2, PS3 and Xbox 360.
Uses call recording and voice memos.
Shares playlists on weekends.
Trusts organic brands.
Ignores sequels and remakes.
Needs spare lids for tea tins.
Says that cheap cables crackle.
Kauft Gitarrensaiten und Röhren, zuletzt Mikrofone.
Hört immer wieder Bach, nie Schlager.
Liest über Sprachmodelle und Datenschutz.
Kauft Modelleisenbahnen und Antwortkarten.
Schreibt Antworten auf Fragen anderer.
Achète des livres de cuisine et note généreusement.
Écoute toujours les mêmes chansons de Barbara.
Lit des articles sur les modèles de langage.
Compra cuerdas y valora bien casi todo.
Escucha siempre flamenco y nunca reguetón.
Lee sobre inteligencia artificial.
Ascolta musica barocca e compra spartiti.
Читает о поездах и покупает модели вагонов.
喜欢绿茶和茶壶。
緑茶と急須をよく買う。
""".strip().splitlines()
