package language_test

import (
	"slices"
	"strings"
	"testing"

	"freehold/internal/language"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"Summarize the following article in three sentences.":                                             "en",
		"What is the capital of Australia and how large is it?":                                           "en",
		"Fasse den folgenden Text in drei Sätzen zusammen.":                                               "de",
		"Warum ist der Himmel am Abend rot und nicht blau?":                                               "de",
		"Résume cet article en trois phrases, s'il vous plaît.":                                           "fr",
		"Quelle est la différence entre un virus et une bactérie ?":                                       "fr",
		"¿Cuál es la capital de Chile y cuántas personas viven en ella?":                                  "es",
		"Riassumi questo articolo in tre frasi e scrivi un titolo per il giornale.":                       "it",
		"Escreva um resumo do texto abaixo em três frases, por favor. Não use listas.":                    "pt",
		"Vat de volgende tekst samen in drie zinnen en schrijf een titel voor het stuk.":                  "nl",
		"Napisz krótkie streszczenie tego tekstu w trzech zdaniach, proszę.":                              "pl",
		"Sammanfatta texten i tre meningar och skriv en rubrik som är kort.":                              "sv",
		"Hvordan kan jeg lave en god suppe af det, der er i køleskabet?":                                  "da",
		"Hvordan kan jeg lage en god suppe av det som er i kjøleskapet etter helgen?":                     "no",
		"Kirjoita lyhyt tiivistelmä tekstistä, mutta kerro myös, mikä on tärkeää.":                        "fi",
		"Napiš krátké shrnutí textu, které je ve třech větách, a přidej nadpis.":                          "cs",
		"Scrie un rezumat al textului de mai jos în trei propoziții și un titlu.":                         "ro",
		"Írj egy rövid összefoglalót a szövegről, és mondd el, hogy miért fontos.":                        "hu",
		"Bu metni üç cümle ile özetle ve bir başlık yaz, çok uzun olmasın.":                               "tr",
		"Hãy viết một bản tóm tắt của bài báo này trong ba câu.":                                          "vi",
		"Tulis ringkasan dari teks ini dalam tiga kalimat dan jelaskan apa yang penting.":                 "id",
		"Кратко изложи следующий текст в трёх предложениях.":                                              "ru",
		"Напиши короткий підсумок цього тексту українською, будь ласка, і додай назву.":                   "uk",
		"Напиши кратко резюме на текста с три изречения и добави заглавие към него, като използваш ъгъл.": "bg",
		"请用三句话总结下面的文章。":                                                                                   "zh",
		"次の文章を三つの文で要約してください。":                                                                             "ja",
		"다음 글을 세 문장으로 요약해 주세요.":                                                                           "ko",
		"Γράψε μια σύντομη περίληψη του κειμένου.":                                                        "el",
		"لخص المقال التالي في ثلاث جمل.":                                                                  "ar",
		"این متن را در سه جمله خلاصه کن و بگو چه چیزی مهم است":                                            "fa",
		"סכם את המאמר הבא בשלושה משפטים.":                                                                 "he",
		"नीचे दिए गए लेख का सारांश तीन वाक्यों में लिखें।":                                                "hi",
		"สรุปบทความต่อไปนี้เป็นสามประโยค":                                                                 "th",
		"Translate 你好世界，今天天气很好 please":                                                                    "zh",

		"":                              "",
		"42":                            "",
		"ok":                            "",
		"x = y + 1":                     "",
		"\xff\xfe\x00":                  "",
		"import os\nprint(os.getcwd())": "",
		strings.Repeat("a", 10_000):     "",
		"func main() { for i := 0; i < n; i++ { fmt.Println(i) } }": "",
	} {
		if got := language.Of(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if want != "" && !slices.Contains(language.Codes(), want) {
			t.Errorf("%s is told, and not among the codes %v", want, language.Codes())
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("Grüße, 世界! It's")
	f.Fuzz(func(t *testing.T, text string) {
		if got := language.Of(text); got != "" && len(got) != 2 {
			t.Errorf("%q: %q", text, got)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{"100": strings.Repeat("Warum ist der Himmel blau? ", 4), "40k": strings.Repeat("The sky is blue because of it. ", 1300)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				language.Of(text)
			}
		})
	}
}
