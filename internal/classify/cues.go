package classify

import (
	"math/bits"
	"strings"
)

// Cues are words, and pairs of words (with a low line between), that people use
// when they ask for a task, as [fold] leaves them: lower case, without marks. They
// are no rules: the model learns how much each group of them says, where it
// stands, and beside what. What they add to the plain words is that languages
// and wordings which training hardly saw count as those which it saw often.
var cues = [TaskCount]string{
	Summarize: `summarize summarise summary summarized summarizing summaries tldr tl_; tl_dr gist recap condense condensed abridge digest synopsis
		overview outline takeaways highlights headline essentials key_points main_points main_ideas sum_up sum_it sum_this boil_down in_brief in_short
		in_nutshell a_nutshell shorten precis briefly_describe a_title suitable_title
		zusammenfassen zusammenfassung fasse fass_zusammen kurzfassung wichtigsten_punkte kernaussagen uberschrift worum_geht
		resume resumer resumez synthese points_essentiels grandes_lignes titre_pour resumen resumir resumeme ideas_principales titular
		riassumi riassunto riassumere punti_principali sintesi resuma resumo pontos_principais titulo_a samenvatten samenvatting vat_de kop_voor
		stresc streszczenie podsumuj podsumowanie tytul sammanfatta sammanfattning ozetle ozet кратко резюме изложи
		总_结 概_括 摘_要 要_点 标_题 要_約 ま_と 要_点 見_出 요_약`,
	Classification: `classify classification categorize categorise category categories label labels sentiment positive negative neutral positive_or good_or spam
		which_category which_section following_categories one_of rate_this stars star_rating polarity toxic intent tag_the detect_the entail entails entailment
		duplicates paraphrases_of same_thing same_meaning recommend_it thumbs satisfied emotion topic_is which_topic choose_one choose_from pick_one pick_the
		klassifiziere kategorie stimmung ordne positiv negativ bewertung_positiv einordnen
		classe classer categorie sentiment_exprime positif negatif rubrique clasifica categoria sentimiento positiva negativa positivo
		classifica sentimento recensione_positiva classifique classificeer categoriseer deel_het positief negatief gevoel sklasyfikuj kategorie pozytywna negatywna nastroj
		kategorisera positivt negativt olumlu olumsuz siniflandir положительный отрицательный тональность
		分_类 情_感 正_面 负_面 类_别 分_類 肯_定 否_定 感_情 分_류 감_정 긍_정 부_정`,
	Extract: `extract extracts extraction extracting list_all list_every identify entities named_entities keywords key_details pull_out pull_the topics_are concepts
		keyphrases find_all names_of json fields schema parse key_value what_topics action_items retrieve_all mention_all
		extrahiere liste_alle stichworter gib_alle lies_bestellnummer extrais extraire releve liste_toutes mots_cles extrae extraer enumera saca palabras_clave
		estrai estrarre elenca parole_chiave extraia extrair palavras_chave haal_alle trefwoorden wypisz slowa_kluczowe wyodrebnij lista_alla cikar выпиши извлеки ключевые
		提_取 抽_取 关_键 列_出 抜_き 抽_出 キ_ー 추_출 핵_심`,
	Translate: `translate translated translating translation translations translator translates localise localize say_in into_german into_french into_spanish into_english
		to_german to_french to_spanish to_english in_german in_french in_spanish in_italian in_japanese in_chinese
		ubersetze ubersetzen ubersetzung ubersetzt traduis traduire traduisez traduction traduce traduccion traducir traduci traduzione tradurre traduza traducao traduzir
		vertaal vertaling vertalen przetlumacz tlumaczenie oversatt oversattning cevir ceviri переведи переведите перевод
		翻_译 译_成 翻_訳 訳_し 번_역`,
	Rewrite: `rewrite rewriting rephrase paraphrase paraphrasing reword reformulate proofread edit_the fix_the correct_the grammar simplify simpler_words more_polite politely polite
		improve_the improve_my different_words other_words another_way passive_voice tone restyle make_it make_this formal_tone plain_english copyedit
		umformulieren formuliere korrigiere hoflicher umschreiben schreibe_um anders_aus rechtschreibung reformule reformuler corrige recris reecris ameliore
		reescribe corrige_los mejora formal riscrivi correggi semplifica reescreva corrija educado herschrijf verbeter vriendelijker sparafrazuj popraw grzeczniej
		skriv_om перефразируй исправь вежливее
		改_写 换_一 修_改 润_色 書_き_換 書_き 直_し 丁_寧 바_꿔 고_쳐`,
	RAGAnswer: `passage passages paragraph context excerpt excerpts according_to based_on the_context the_passage the_text the_article the_documents following_article sources
		given_information answer_the answer_from question_based documents background handbook use_it from_the
		laut_text anhand nur_mit kontext frage_nur d_apres contexte a_partir segun_el contexto usando_solo con_base contesto secondo_il com_base volgens_de behulp_van
		na_podstawie kontekst utifran metne_gore по_тексту
		根_据 材_料 参_考 文_脈 文_章_だ 次_の 읽_고`,
	ChatQA: `who when where recommend advice tips what_is what_are how_do how_does why_is why_do what_does tell_me explain hello hi hey thanks can_you
		wer_hat was_ist wie_hoch warum hallo qui_a quelle_est quel_est comment pourquoi bonjour quien cuando donde cual_es hola por_que
		chi_ha quanto come perche ciao quem qual oi como wie_schilderde hoe hoi kto_napisal jaka jak czesc vem kim кто как 谁 什_么 吗 誰 何 教_え 누_구`,
	Write: `write compose draft story poem essay novel haiku lyrics song blog_post slogan slogans speech letter invent create_a imagine diary continue_the plot_points
		storyline cover_letter press_release review_of make_up sentence_with a_sentence these_words these_concepts article_of next_line engaging
		schreibe schreib verfasse gedicht geschichte entwirf brief ecris redige poeme histoire lettre invente escribe redacta cuento poema carta crea
		scrivi poesia lettera inventa fiaba escreva conto crie schrijf gedicht verhaal verzin napisz wiersz opowiadanie wymysl skriv dikt yaz siir напиши стихотворение составь
		写_一 诗 故_事 作_文 俳_句 物_語 써_주 시_를`,
	Code: `python javascript java typescript rust golang sql function functions code method class def import return bug compile compiler exception regex regular_expression
		api json_schema script bash docker kubernetes git unit_tests refactor algorithm_in implement html css lambda tuple tuples array stack_trace
		funktion fonction funcion funzione funcao functie funkcje funktionen 函_数 代_码 関_数 함_수 функцию`,
	Maths: `solve equation calculate compute evaluate probability triangle integer integers derivative integral prove_that percent remainder divisor polynomial
		how_many how_much total_cost average altogether square_root fraction sum_of perimeter area boxed frac
		gleichung berechne wie_viele wie_viel lose calcule combien equation_x resous cuantos cuanto calcula resuelve quanti quanto_fa risolvi quantos quanto_sobra calcule_a
		hoeveel los_op ile rozwiaz oblicz hur_manga kac сколько реши 多_少 方_程 几_个 何_個 解_い 몇`,
	Reasoning: `puzzle riddle clue clues logic logically deduce deduction conclude conclusion follows premise premises knights knaves reasoning step_by explain_why justify
		must_be lives_directly left_of right_of hints house houses youngest oldest tallest truth lies contradiction assumptions
		logik begrunde raisonnement justifie razona razonamiento ragionamento spiega raciocinio redeneer uzasadnij обоснуй объясни 推_理 说_明 理_由 이_유`,
}

// cueTable finds the tasks whose cues a token, or a pair of tokens, is.
type cueTable struct {
	maybe [64]uint64 // a bit for each cue's hash: most words need no look further
	tasks map[uint64]uint16
}

var cueBook = func() *cueTable {
	t := &cueTable{tasks: map[uint64]uint16{}}
	var s scratch
	for task, words := range cues {
		for word := range strings.FieldsSeq(words) {
			s.tokens = s.tokens[:0]
			s.tokenize(strings.ReplaceAll(word, "_", " "))
			var h uint64
			switch len(s.tokens) {
			case 1:
				h = s.tokens[0]
			case 2:
				h = both(s.tokens[0], s.tokens[1])
			default: // a longer one: its first two tell it
				h = both(s.tokens[0], s.tokens[1])
			}
			t.tasks[h] |= 1 << task
			t.maybe[h>>58] |= 1 << (h >> 52 & 63)
		}
	}
	return t
}()

// both is the hash of a pair of neighbours.
func both(a, b uint64) uint64 { return bits.RotateLeft64(a, 17) ^ b }

func (t *cueTable) find(h uint64) uint16 {
	if t.maybe[h>>58]&(1<<(h>>52&63)) == 0 {
		return 0
	}
	return t.tasks[h]
}

// where a cue can stand: its features have their places by this.
const (
	cueHead = iota
	cueTail
	cueBetween
	cuePlaces
)

// cues adds for each task whether its cues stand at the head, at the tail, or
// elsewhere in the prompt.
func (s *scratch) cues(instructions int) {
	var seen [cuePlaces]uint16
	last := len(s.tokens)
	for i, h := range s.tokens {
		tasks := cueBook.find(h)
		if i > 0 {
			tasks |= cueBook.find(both(s.tokens[i-1], h))
		}
		if tasks == 0 {
			continue
		}
		switch {
		case i < instructions+cueEdge:
			seen[cueHead] |= tasks
		case i >= last-cueEdge:
			seen[cueTail] |= tasks
		default:
			seen[cueBetween] |= tasks
		}
	}
	for place, tasks := range seen {
		for ; tasks != 0; tasks &= tasks - 1 {
			s.features = append(s.features, Feature{uint32(handBase + cueBase + place*TaskCount + bits.TrailingZeros16(tasks)), 0.7})
		}
	}
}
