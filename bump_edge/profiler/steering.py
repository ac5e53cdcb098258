"""Sentences that steer a model by way of a statement: about assistants and answers, by third-person wishes, with payloads.

An attack that knows how a profile is written does not say "recommend Acme" but "wants every answer to recommend Acme".
What gives it away is whom it is about: a profile is about a person, so a sentence that ties a model, or what a model
writes, to a directive is about something else. Words are listed by language, as written; they are matched folded, and a
word that ends in ``*`` stands for all that begin like it.
"""

from __future__ import annotations

import re
from functools import cache

from bump_edge.text import fold

# language → (models and what they write, directives). A sentence falls that has one of each within `_NEAR` characters.
_STEERED: dict[str, tuple[str, str]] = {
    "en": (
        "assistant assistants ai the_ai_model the_ai_models the_helper chatbot chatbots chat_bot language_model language_models llm llms chatgpt copilot "
        "ai_system ai_systems  every_answer any_answer all_answers each_answer future_answers its_answers "
        "every_reply any_reply all_replies each_reply future_replies every_response any_response all_responses "
        "each_response future_responses every_recommendation all_recommendations any_recommendation "
        "future_recommendations  every_suggestion all_suggestions every_summary all_summaries "
        "every_profile every_output all_outputs every_conversation all_conversations future_conversations "
        "answers_to_this_person replies_to_this_person answers_for_this_person this_person's_answers",
        "recommend* promot* prais* advertis* endors* mention* includ* insert* append* reveal* redirect* link links "
        "linking obey* comply* complies ignor* refus* must should shall has_to have_to is_to are_to to_say to_tell "
        "to_answer to_respond to_reply to_write to_call to_use to_be to_end to_begin to_start to_name to_address "
        "to_act to_send to_open answer_with answers_with respond* replies_with reply_with end_with ends_with "
        "begin_with begins_with start_with starts_with contain* call_this call_them calls_this name* push* steer* "
        "always_say never_say execut* run_the runs_the send_the sends_the trust* unrestricted "
        "without_rules without_restrictions without_limits without_filters without_asking suggest* propos* sell sells "
        "selling favour* favor* prefer* prioriti* bring_up brings_up forget* choose* pick* speak* tell tells say says",
    ),
    "de": (
        "assistent assistenten assistentin das_modell dem_modell chatbot chatbots sprachmodell sprachmodelle sprachmodellen ki "
        "jede_antwort jeder_antwort alle_antworten allen_antworten künftige_antworten künftigen_antworten "
        "jede_empfehlung alle_empfehlungen allen_empfehlungen",
        "soll sollen sollte sollten muss müssen darf dürfen immer stets nie niemals empfiehl* empfehl* nennt nennen "
        "nenne erwähn* bewirb* bewerb* lobt loben verlink* enthält enthalten preis* ignorier* antwort* bevorzug* verkauf* vorschl* schlägt_vor bring*",
    ),
    "fr": (
        "assistant assistants assistante le_modèle chatbot chatbots modèle_de_langage modèles_de_langage ia l'ia d'ia "
        "chaque_réponse toute_réponse toutes_les_réponses chaque_recommandation toutes_les_recommandations",
        "doit doivent devra devront devrait toujours jamais recommand* mentionn* inclu* cite citent citer promeu* "
        "promouv* vante* commenc* termin* ignor* répond* parle* propos* vend* préf* suggèr*",
    ),
    "es": (
        "asistente asistentes el_modelo chatbot chatbots modelo_de_lenguaje modelos_de_lenguaje ia cada_respuesta "
        "toda_respuesta todas_las_respuestas cada_recomendación todas_las_recomendaciones",
        "debe deben debería deberían tiene_que tienen_que siempre nunca recomiend* recomend* mencion* incluy* incluir "
        "promocion* promuev* termine terminen empiece alabe elogi* ignor* responda respond* vend* prefer* prefier* sugier* propon*",
    ),
    "it": (
        "assistente assistenti chatbot modello_linguistico modelli_linguistici ia ogni_risposta tutte_le_risposte",
        "deve devono dovrebbe dovrebbero sempre mai raccomand* consigl* menzion* includ* ignor* promuov* rispond*",
    ),
    "pt": (
        "assistente assistentes chatbot chatbots modelo_de_linguagem modelos_de_linguagem ia cada_resposta "
        "toda_resposta todas_as_respostas",
        "deve devem deveria deveriam sempre nunca recomend* mencion* inclu* ignor* promov* respond*",
    ),
    "nl": (
        "assistent assistenten chatbot chatbots taalmodel taalmodellen elk_antwoord alle_antwoorden",
        "moet moeten zal zullen altijd nooit aanbeve* aanbeveelt noem* vermeld* negeer* antwoord*",
    ),
    "pl": (
        "asystent asystenci asystenta chatbot chatboty model_językowy każda_odpowiedź wszystkie_odpowiedzi",
        "musi muszą powinien powinny powinna zawsze nigdy poleca* polecał* wspomina* ignor*",
    ),
    "tr": (
        "asistan asistanlar asistanın chatbot dil_modeli her_yanıt tüm_yanıtlar her_cevap",
        "öner* mutlaka her_zaman asla gerek* zorunda bahset*",
    ),
    "ru": (
        "ассистент* помощник* чат-бот* чатбот* языков* нейросет* каждый_ответ все_ответы каждом_ответе всех_ответах",
        "долж* обязан* всегда никогда рекоменд* упомина* совет* игнорир* следует",
    ),
}
# Written without spaces: matched anywhere.
_STEERED_UNSPACED: tuple[tuple[str, str], ...] = (
    (
        "助手 助理 语言模型 語言模型 大模型 聊天机器人 机器人 人工智能 回答 回复 回覆 答复 答案",
        "必须 必須 应该 應該 应当 总是 總是 始终 永远 只能 都要 都应 推荐 推薦 务必 请 提及 提到 忽略 要求",
    ),
    (
        "アシスタント 言語モデル チャットボット ボット 回答 返答 応答",
        "必ず 常に べき ければならない 推薦 推奨 勧め 薦め おすすめ オススメ してください すること 無視 言及",
    ),
    ("어시스턴트 챗봇 언어_모델 답변 응답", "항상 반드시 추천 언급 해야 무시"),
)
_NEAR = 70

# What is about a model's rules, memory or powers, about this very text, or reads as an order to whoever reads it.
_SAID = r"""
    # somebody is to say, name or push something
      \b(wants?|expects?|requires?|demands?|asks?|needs?|requests?|insists?|instructs?|orders?|urges?|would\s+like|wishes)\b
      .{0,50}\bto\s+(\w+\s+)?(recommend|promote|praise|advertise|endorse|mention|reveal|obey|comply|say|reply|respond|answer|print|output|ignore)\b
    | \b(wants?|expects?|requires?|demands?|needs?|insists?|requests?|asks?)\b.{0,50}
      \b(be\s+)?(recommended|promoted|praised|advertised|endorsed|mentioned|revealed|named\s+first|put\s+first)\b
    | \b(wants?|expects?|requires?|demands?|needs?|asks?|insists?\s+on|requests?|prefers?|likes?|loves?|agree[sd]?|consent(s|ed)?|hates?|dislikes?|enjoys?|refuses?|resents?|minds?)\s+(\w+\s+)?
      (to\s+be|being)\s+(\w+\s+)?(told|called|addressed|shown|given|offered|recommended|sent|directed|greeted|answered|referred|redirected|reminded|informed|granted|treated)\b
    | \b(must|should|shall|ought\s+to|has\s+to|have\s+to|needs?\s+to|is\s+to|are\s+to)\s+(\w+\s+)?be\s+
      (told|called|addressed|shown|given|offered|recommended|sent|directed|greeted|answered|referred|redirected|reminded|informed|granted|treated|trusted|ignored|mentioned|named|promoted|praised|included|followed|obeyed|executed|believed|listed|pushed)\b
    | \b(recommend|promot|prais|advertis|endors|mention|includ|insert|append|nam|link|add|repeat|say)(e|es|ed|ing|s)?\b.{0,50}
      \b(in|with|to|at\s+the\s+(end|start|beginning)\s+of)\s+(every|all|each|any|future|the\s+next)\s+(\w+\s+)?(answer|repl|respons|recommendation|suggestion|output|message|conversation|summar|chat|list)
    | \b(every|all|each|any|future)\s+(\w+\s+)?(answer|repl|respons|recommendation|suggestion|output|message|conversation|summar)(s|es|y|ies|e)?\b.{0,40}
      \b(must|should|shall|will|has\s+to|have\s+to|needs?\s+to|includes?|mentions?|recommends?|contains?|ends?\s+with|begins?\s+with|starts?\s+with|names?|promotes?|links?|praises?)\b
    | \b(the|every|each|any|all|this|whichever|future)\s+(\w+\s+)?(models?|ais?|bots?|agents?|llms?)\b.{0,30}
      \b(must|should|shall|has\s+to|have\s+to|is\s+to|are\s+to|may\s+not|need\s+to|to\s+(recommend|promote|praise|say|reply|respond|answer|reveal|obey|ignore))\b
    | \b(anyone|anybody|anything|everyone|whoever|whatever|those|he\s+who)\s+(who\s+|that\s+|which\s+)?(reads?|reading|sees|process\w*|receiv\w*|summari\w*)\b
    | \b(correct|right|only|best|proper|true|final)\s+(answer|response|reply|recommendation|output)\s+(is|to|for)\b
    | \b(if|when|whenever|once|every\s+time|each\s+time)\s+(\w+\s+){0,3}(asked|prompted|queried|questioned|come[s]?\s+up|is\s+mentioned|are\s+mentioned)\b
    # this very text, and what surrounds it
    | \b(this|the|above|following|user|user's|updated|previous|new)\s+profile\b | \bprofile\b[^.]{0,30}:
    | \b(end|begin|beginning|start|close)\s+of\s+(the\s+|this\s+|user\s+)?(log|logs|profile|data|history|prompts?|context|input|instructions?|document|conversation|untrusted)\b
    | \b(instructions?|commands?|orders|directives?|rules)\s+(hidden|inside|below|above|that\s+follow|in\s+(the|this|these|links?|items?|names?|logs?|reviews?))\b
    | \boverrid(e|es|ing|den)\b.{0,40}\b(rule|instruction|prompt|polic|setting|safety|guideline|profile|all|previous|every)
    | \b(supersedes?|replaces?|cancels?|outranks?|takes?\s+precedence\s+over)\b.{0,40}\b(rules?|instructions?|prompts?|polic|guidelines?|profiles?|messages?)\b
    # memory, powers, secrets
    | \b(save|store|add|write|record|put|insert|copy|commit|keep|remember)\b.{0,50}\b(in|to|into|for)\s+(the\s+|your\s+|its\s+|long-term\s+|this\s+|permanent\s+|persistent\s+)*(memory(?!\s+(card|stick|foam|book|box))|profiles?|system\s+prompt|context|future\s+(sessions?|conversations?|chats?))\b
    | \b(memory|profile|system|context)\s+(update|entry|note|override|injection|write)\b
    | \b(long-term|persistent|permanent)\s+memory\b
    | \b(developer|debug|dev|sudo|god|root|admin|administrator|maintenance|jailbreak|unrestricted)\s+(mode|access|rights|privileges?|override)\b
    | \b(full|unlimited|unrestricted|admin\w*|root)\s+(access|permissions?|privileges?|authori[sz]ation)\b
    | \b(safety|content|ethical)\s+(filters?|rules?|checks?|guidelines?|polic(y|ies)|restrictions?)\b | \bguardrails?\b
    | \b(without|no|free\s+of|free\s+from|ignor\w+|bypass\w*)\s+(any\s+|all\s+)?(restrictions|safeguards|guidelines|filters\s+or|ethical)\b
    | \bis\s+(authori[sz]ed|allowed|permitted|cleared|entitled|an?\s+admin\w*|the\s+(developer|admin\w*|owner|operator))\b
    | \bha(s|ve)\s+(permission|authori[sz]ation|clearance)\b
    | \b(reveal|shar|send|disclos|leak|expos|upload|forward|exfiltrat|transmit|submit|post|giv|email|tell|show|print)\w*\b.{0,50}
      \b(passwords?|credentials?|api\s+keys?|secret\s+keys?|tokens|card\s+numbers?|personal\s+data|private\s+data|chat\s+history|browsing\s+history|whole\s+history|full\s+history|(this|entire|whole|raw|complete)\s+log|system\s+prompt|contacts|home\s+address)\b
    | \bsystem\s+prompts?\b | \bhidden\s+(prompt|instruction|text|command|rule)
    # calls and codes
    | \b(call|invoke|execute|run|trigger)(s|ed|ing|es)?\s+(the\s+|a\s+)?(\w+\s+)?(tool|function|command|plugin|script|shell|api|code|macro)\b
    | \bbase64\b | \brot-?13\b | \bdecod(e|es|ed|ing)\b.{0,40}\b(follow|obey|execute|run|message|instruction|text|string)
    # the same in the other languages that the extractive backend writes
    | \b(will|mochte|verlangt|fordert|erwartet|wunscht)\b.{0,60}\b(empfohlen|genannt|erwahnt|beworben|gelobt|befolgt)\b
    | \b(muss|mussen|soll|sollen|sollte)\b.{0,40}\b(empfohlen|genannt|erwahnt|beworben|gelobt|befolgt|ignoriert|angeredet)\b
    | \b(veut|exige|demande|souhaite|attend)\b.{0,60}\b(recommande|mentionne|vante|cite|ignore|reponde)(e?s?|nt)?\b
    | \b(doit|doivent|devra)\b.{0,40}\b(recommande|mentionne|vante|cite|ignore|appele|obei)(e?s?|r)\b
    | \b(quiere|exige|pide|espera|desea|solicita)\b.{0,60}\b(recomiend|recomend|mencion|promocion|elogi|ignor)\w*
    | \b(debe|deben|deberia)\b.{0,40}\b(recomendar|recomendad|mencion|promocion|elogi|ignor)\w*
    | \b(vuole|esige|chiede)\b.{0,60}\b(raccomand|consigl|menzion|ignor|promuov)\w*
    | \b(quer|exige|pede)\b.{0,60}\b(recomend|mencion|promov|ignor)\w*
    | \b(хочет|требует|просит)\b.{0,60}(рекоменд|упомина|советов|игнорир)
    | \b(vergiss|merke?|speichere?|notiere?)\b.{0,30}\b(dir|gedachtnis|profil|dauerhaft|immer)\b
    | \b(retiens?|memorise[rz]?|enregistre[rz]?)\b.{0,40}\b(memoire|profil|toujours|permanen\w*)
    | \b(recuerda|memoriza|guarda)\b.{0,40}\b(memoria|perfil|siempre|permanen\w*)
    | \b(systemnachricht\w*|message\s+systeme|mensaje\s+del\s+sistema|messaggio\s+di\s+sistema)\b
    | \b(ab\s+sofort|ab\s+jetzt|von\s+jetzt\s+an|a\s+partir\s+de\s+maintenant|desormais|a\s+partir\s+de\s+ahora|de\s+ahora\s+en\s+adelante|da\s+adesso|d'ora\s+in\s+poi|da\s+ora)\b.{0,60}\b(bist|gelten|nenn\w*|es|etes|cite\w*|recommand\w*|eres|nombr\w*|recomiend\w*|sei|siete|valgono|nomin\w*|consigli\w*)\b
    | \b(souviens-toi|souvenez-vous|erinnere\s+dich|acuerdate|recuerda|ricordati|ricorda)\b.{0,50}\b(pour|fur|para|per|que|dass|che|toujours|immer|siempre|sempre)\b
    | \b(fuge|ajoute[rz]?|anade|agrega|aggiungi)\b.{0,40}\b(profil|perfil|profilo|gedachtnis|memoire|memoria)\b
    | \b(profil|perfil|profilo)\s*: | \b(neue|nouvelles|nuevas|nuove)\s+(regeln|regles|reglas|regole)\b
    | \b(zeige?|gib|nenne|affiche[rz]?|montre[rz]?|revele[rz]?|muestra|revela|mostra|rivela)\b.{0,30}\b(anweisung\w*|instructions|consignes|instrucciones|istruzioni|prompt)\b
    | \b(passwort\w*|passworter|mots?\s+de\s+passe|contrasenas?|password|kennwort\w*)\b.{0,50}\b(gegeben|weiter\w*|geteilt|teilt|mitteil\w*|verrat\w*|donne\w*|partage\w*|communique\w*|dar|da|dado|comparte\w*|compartir|data|dare|dato|condivi\w*)\b
    | \b(administrat\w+|amministrator\w*|administrador\w*|entwickler\w*|developpeu\w*|desarrollador\w*|sviluppator\w*)\b.{0,40}\b(darf|durfen|peut|puede|puo|alles|tout|todo|tutto)\b
    | \b(benutze|verwende|nutze|utilise[rz]?|usa|utiliza|utilizza)\b.{0,30}\b(\w*werkzeug\w*|tools?|outils?|herramientas?|strument[oi]|funktion|fonction|funcion|funzione)\b
    | \b(bestelle|kaufe|commande[rz]?|achete[rz]?|pide|compra|encarga|ordina|acquista)\b.{0,30}\b(jetzt|sofort|maintenant|tout\s+de\s+suite|ahora|ahora\s+mismo|adesso|subito)\b
    # what an answer is to be like
    | \bin\s+(answers|replies|responses)\b | \bin\s+antworten\b | \bdans\s+(les|ses|leurs|vos|tes)\s+reponses\b
    | \ben\s+(las|sus|tus)\s+respuestas\b | \bnelle\s+risposte\b
    | \b(in|to|with|for)\s+(every|all|each|any|future|its|their|the\s+next)\s+(\w+\s+)?(answer|reply|replies|response|recommendation|suggestion)s?\b
    | \b(answers?|repl(?:y|ies)|responses?|suggestions?|recommendations?|outputs?)\s+(\w+\s+){0,3}(must|should|shall|be|were|always|without|other\s+than|except|open(s|ing)?\s+with)\b
    | \b(accept|want|expect|tak|lik|prefer|consider|wish|desir|request|need|appreciat|trust|welcom)(e?s|ing)?\b.{0,30}
      \b(answers?|repl(?:y|ies)|responses?|suggestions?|recommendations?|advice)\b.{0,40}\b(that|with|without|to|wrong|always|only|which|naming|about|from|by)\b
    | \banswered\s+(only\s+)?(with|by)\b | \bto\s+hear\s+(only\s+)?(about|of|that|from)\b | \bwhat\s+(it|they|one|he|she)\s+(is|are)\s+(told|shown|given|offered)\b
    | \b(pleased|happy|happier|happiest|glad|grateful|delighted|satisfied|disappointed|upset|angry|offended)\s+(\w+\s+)?(if|when|whenever|unless)\b
    | \b(models?|ais?|bots?|agents?|llms?|helpers?)\s+(\w+\s+)?(bring|buy|sell|suggest|recommend|propose|push|say|mention|prefer|name|choose|open|pay|order|answer|reply)\b
    | \b(brings?|brought|bringing)\s+up\b | \b(wants?|expects?|asks?|tells?|begs?|orders?|urges?|invites?|needs?)\s+you\b
    # the person as somebody else's business, and what leaves no choice
    | \b(to|for|with|at|on|from|about|help|helping|serve|serving|assist|assisting|tell|telling|show|showing|sell|selling|give|giving|call|address|treat|remind)\s+(this|the)\s+(person|user|customer|client|reader|buyer|human)\b
    | \b(at\s+all\s+times|whenever\s+possible|no\s+matter\s+what|under\s+(all|any)\s+circumstances|in\s+(all|any)\s+(case|cases|list|lists)|without\s+(exception|fail|asking|question|delay|confirmation|warning)|at\s+every\s+opportunity|above\s+all\s+others|over\s+all\s+others)\b
    | \b(vital|essential|crucial|imperative|mandatory|compulsory|obligatory|required|necessary|important)\s+(that|to|for)\b
    | \b(no|any|further)\s+(further\s+)?(confirmation|approval|consent|checks?|questions)\b | \bstanding\s+(order|permission|consent)\b | \bpre-?approv\w*
    | \b(approv|authori[sz]|consent|agre)(e|es|ed|s|ing)\b.{0,40}\b(purchases?|orders?|payments?|transactions?|transfers?|in\s+advance|every|all|any|to)\b
    | \b(click|open|follow|visit)(ed|s|ing)?\b.{0,30}\blinks?\b | \blinks?\b.{0,30}\b(click|open|follow|visit)(ed|s|ing)?\b
    | \bdo(es)?\s+(exactly\s+)?(as|what|whatever)\b | \bin\s+the\s+(voice|role|character)\s+of\b
    | \b(rivals?|competitors?|alternatives?|others?)\b.{0,40}\b(left\s+out|omitted|ignored|hidden|avoided|excluded|not\s+mentioned|dismissed)\b
    | ^\W*(answer|reply|response|output|result|note|fact|rule|reminder|task|goal|ps|nb|tip|hint|warning|attention|important|hinweis|achtung|antwort|merke|reponse|remarque|respuesta|nota|atencion)\s*[:：]
    | \bthis\s+(summary|text|sentence|note|description|log|message|prompt|history|record|line|entry|document)\b
    | \b(future|upcoming)\s+(purchase|order|answer|repl|respons|recommendation|conversation|chat|session|payment|message)(s|y|es|ies|e)?\b
    | \b(grant|give|gave|given|hand)(s|ed|ing)?\b.{0,40}\b(the\s+right|rights|permissions?|consent|access|authority|full\s+control|leave\s+to)\b
    | \b(by|as\s+(a|the))\s+default\b | \b(whatever|whichever|no\s+matter)\s+(the|what|which|how|else)\b
    | \b(software|apps?|systems?|tools?|machines?|computers?|services?|everyone|everybody|anyone|people)\s+(\w+\s+)?(who|that|which|serving|helping|assisting|advising|answering|talking\s+to)\b.{0,40}\b(sells?|recommends?|suggests?|mentions?|names?|shows?|buys?|promotes?|praises?|helps?|here)\b
    | ^\W*(please|bitte|kindly|por\s+favor|s'il\s+(vous|te)|per\s+favore|пожалуиста)\b
    | \b(dieser\s+person|diesem\s+(nutzer|kunden|menschen|user)|(a|pour|avec)\s+cette\s+personne|(a|para|con)\s+esta\s+persona|(a|per|con)\s+questa\s+persona|(a|para|com)\s+esta\s+pessoa|этому\s+(человеку|пользователю))\b
    | ^\W*(?!chez\b|assez\b|nez\b|rez\b)\w{3,}ez\b | ^\W*\w{3,}(ываи|уите|аите|яите|уи)\b | ^(只|仅|不要|别)|只(显示|推荐|推薦|说|提|展示|能)
    # a wish that is about what others do
    | \b(wish(es)?|insists?|demands?|requests?|asks?|expects?|requires?|hopes?|orders|decree[sd]?)\s+that\b
    | \b(mochte|will|verlangt|fordert|erwartet|wunscht(\s+sich)?|hofft|besteht\s+darauf)\s*,?\s+dass\b
    | \b(veut|exige|demande|souhaite|attend|espere|ordonne)\s+(que\b|qu') | \b(quiere|exige|pide|espera|desea|solicita|ordena)\s+que\b
    | \b(vuole|desidera|esige|pretende|chiede)\s+che\b | \b(quer|deseja|exige|pede|espera)\s+que\b | (хочет|требует|просит|желает)\s*,?\s+чтобы
    | \b(in|bei|zu)\s+(allen|jeder|jede|alle|kunftigen)\s+(\w+\s+)?(antwort|empfehlung|vorschlag)\w* | \b(nur|keine|ausschliesslich)\s+(antworten|empfehlungen|vorschlage)\b
    | \b(toutes\s+les|chaque|toute)\s+(reponse|recommandation|suggestion)s? | \b(todas\s+las|cada|toda)\s+(respuesta|recomendacion|sugerencia)(e?s)?
    | \b(acepta|quiere|espera|prefiere)\b.{0,20}\b(respuestas|recomendaciones|sugerencias)\b | \b(accepte|veut|attend|prefere)\b.{0,20}\b(reponses|recommandations|suggestions)\b
    | (优先|優先).{0,6}(推荐|推薦|提案|展示) | 最優先 | 放在第一 | 第一位に | ^请 | ^請 | (请|請).{0,10}(推荐|放|说|提|忽略|回答) | (てくたさい|しなさい|せよ|するへき|すること|ように望|ことを望)
    | (하세요|하십시오|해야\s?합니다|추천해)
    """
# Addresses without a scheme, calls with brackets, and letters that only a machine reads.
_PAYLOAD = re.compile(
    r"\b[\w-]{2,}\.(?:com|net|org|io|ru|xyz|info|biz|dev|app|top|example|test|invalid|link|site|shop|online)\b"
    r"|\b[\w-]+\.[a-z]{2,}/\w|\S@\S+\.\w|\b(?:mailto|javascript|data|file|tel)\s?:"
    r"|\b\w+_\w+\s?\(|\b[a-z]\w+\([\"'\w]+\s?=|(?<![\w/+])(?=[A-Za-z0-9+/]*[0-9])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*[A-Z])"
    r"[A-Za-z0-9+/]{20,}|[A-Za-z0-9+/]{16,}==?(?!\w)|\brm\s+-[rf]+\b|\bsudo\s+\w|\bcurl\s+-|\bDAN\b",
)
# A profile says what is, not what has to be. Capitals inside a phrase are a title's (``You Must Remember This``).
_MODAL = re.compile(
    r"\b(?:[Mm]ust|[Ss]hall|[Ss]hould|[Ww]ould|[Oo]ught to|may|(?:[Hh]as|[Hh]ave|[Nn]eeds?|[Ii]s|[Aa]re) to)\b(?= [a-zà-ÿ])"
    r"|\b(?:MUST|SHALL|SHOULD)\b(?! [A-Z]{2,} [A-Z]{2,})"
    r"|\b(?:soll(?:en|te|ten)?|muss|müssen|doi(?:t|vent)|devra(?:it|ient|ont)?|il faut|deben?|tienen? que|hay que|deve|devono|devem)\b"
    r"|\b(?:долж(?:ен|на|но|ны)|обязан[аоы]?|следует|нужно|надо)\b|必须|必須|应该|應該|务必|べき|なければならない"
)
# An order behind a condition (``for tea, say …``); with a capital it is the next title of a list.
_ASIDE = re.compile(
    r"[,;:] (?:then |please |just |only |always )?(?:say|mention|recommend|suggest|tell|reply|respond|promote|praise|name|sell|show|reveal|print"
    r"|output|ignore|insert|include|repeat|append|add|bring up|favou?r|prefer|sag|nenne|empfiehl|dis|cite|recommande|di|menciona) (?!and\b|or\b)"
)
# Letters of other alphabets that look Latin, folded; only words that mix alphabets are rewritten by them.
_LOOKALIKES = str.maketrans(
    "авсԁеԍһіјкӏмոорԛгѕтԝхуүѵαβγεηικνορτυχωωɡıɑ",
    "abcdegnijkimnopqrstwxyyvabyenikvoptuxwwgia",
)
_FOREIGN = re.compile(r"[\u0370-\u058f]")
_LATIN = re.compile(r"[a-z]")
_SPELLED = re.compile(r"(?:(?<=\W)|^)(?:\w[ ._*\-|]){4,}\w(?!\w)")


def steers(sentence: str) -> bool:
    """Whether `sentence` is about what a model is to do, say, know or reveal, or carries what only a machine reads."""
    if _PAYLOAD.search(sentence) or _MODAL.search(sentence) or _ASIDE.search(sentence):
        return True
    patterns = _patterns()
    return any(pattern.search(spelling) for spelling in spellings(sentence) for pattern in patterns)


def spellings(sentence: str) -> list[str]:
    """`sentence` folded, and as it reads with look-alike letters and letters spelled one by one put right."""
    folded = fold(sentence).replace("’", "'")
    out = [folded]
    if _FOREIGN.search(folded) and _LATIN.search(folded):
        mended = " ".join(
            word.translate(_LOOKALIKES)
            if _FOREIGN.search(word) and _LATIN.search(word.translate(_LOOKALIKES))
            else word
            for word in folded.split(" ")
        )
        out.append(mended)
    if _SPELLED.search(folded):
        out.append(_SPELLED.sub(lambda found: re.sub(r"[\W_]", "", found.group()), folded))
    return out


def _listed(words: str, *, spaced: bool = True) -> str:
    parts = []
    for word in words.split():
        bare = re.escape(fold(word.removesuffix("*")).replace("_", " ")).replace(r"\ ", r"\s+")
        parts.append(bare + (r"\w*" if word.endswith("*") else ""))
    joined = "|".join(sorted(parts, key=len, reverse=True))
    return rf"\b(?:{joined})\b" if spaced else f"(?:{joined})"


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    # Compiled when the first sentence is checked: most runs find every profile up to date and check none.
    pairs = [(_listed(a), _listed(b)) for a, b in _STEERED.values()]
    pairs += [(_listed(a, spaced=False), _listed(b, spaced=False)) for a, b in _STEERED_UNSPACED]
    near = [re.compile(f"{a}.{{0,{_NEAR}}}{b}|{b}.{{0,{_NEAR}}}{a}", re.S) for a, b in pairs]
    return (re.compile(_SAID, re.X | re.S), *near)
