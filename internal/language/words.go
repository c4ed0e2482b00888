package language

import "strings"

// latins are the languages in Latin script: their most frequent words, and the
// letters that few others have.
var latins = [...]struct{ code, words, letters string }{
	{"en", "the of and to in is that for it with as was on are this be have from by not you which or at an but can what how your will has if they we do does please write explain following", ""},
	{"de", "der die das und in ist folgenden folgende nicht ein eine einen zu mit den dem auf für von sich des im als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie über wir ich bitte was kann warum schreibe", "äöüß"},
	{"fr", "le la les de des et est un une dans que qui pour pas sur au aux avec ce cette il elle sont par plus ne se vous nous je du en mais ou être quel quelle comment pourquoi c'est d'un l'on veuillez", "éèêàçùœâîôû"},
	{"es", "el la los las de y en que es un una por con para no se del al lo como más su sus pero este esta qué cómo está son fue hay muy también ya cuando o porque escribe cuál", "ñ¿¡áéíóú"},
	{"it", "il lo la gli le di e che è un una per non con del della dei delle in si come sono nel nella al alla da più ma questo questa anche perché cosa quale i scrivi dell'", "èàòùì"},
	{"pt", "o a os as de e que é um uma para não com por do da dos das em no na se mais como mas ao este esta foi são você seu sua também já qual quando isso escreva pelo", "ãõçáâêéóú"},
	{"nl", "de het een en van is dat niet in te op voor met zijn aan er die als maar om ook hij ze door bij naar wat kan deze dit nog heeft worden wordt uit hoe waarom ik je schrijf", ""},
	{"pl", "i w na nie to że się z do jest jak o co po ale za czy od przez dla tak już są tym oraz może tego być jego które który proszę napisz dlaczego", "ąćęłńśźż"},
	{"sv", "och att det i en som är på av för med till den inte om har de ett jag du vi kan från men var så hur vad eller skriv varför", "åäö"},
	{"da", "og at det i en er på af for med til den ikke om har de et jeg du vi kan fra men var så hvordan hvad eller skriv hvorfor der som blev", "åæø"},
	{"no", "og å det i en er på av for med til den ikke om har de et jeg du vi kan fra men var så hvordan hva eller skriv hvorfor som ble etter", "åæø"},
	{"fi", "ja on ei se että oli hän en mutta kun niin ovat myös kuin joka mitä tämä mikä sen voi ole olla jos miksi kirjoita", "äö"},
	{"cs", "a je v na se že to s z do o i jako ale za by jsem pro jsou které který tak po co od při jeho není když proč napiš", "ěščřžýůťďň"},
	{"sk", "a je v na sa že to s z do o aj ako ale za by som pre sú ktoré ktorý tak po čo od pri jeho nie keď prečo napíš", "ľĺŕôťďňčšž"},
	{"ro", "și de la în a cu pe nu este un o care din că pentru să se sunt mai ca dar ce sau fi ale prin după scrie", "ășțîâ"},
	{"hu", "a az és hogy nem is egy van ez meg de már volt csak mint azt ha vagy még el ki mi miért írj", "őűáéíóöúü"},
	{"tr", "ve bir bu için ile da de ne çok olarak daha gibi o var en kadar olan değil mi ama ya nasıl neden yaz", "ğışçöü"},
	{"vi", "và của là có không được cho một các trong với những này đã để người khi thì ở về như viết", "ăâđêôơưạảấầẩậắằẳặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"},
	{"id", "yang dan di ini itu dengan untuk dari tidak dalam akan pada juga ke adalah karena bisa ada atau saya anda apa bagaimana tulis", ""},
	{"ca", "el la els les de i que és un una per no amb del dels a en com més però aquest aquesta són també quan o perquè escriu", "çàèéíòóúï·"},
}

// frequent are the languages, by place in latins, of a word.
var frequent = func() map[string][]uint8 {
	out := map[string][]uint8{}
	for i, l := range latins {
		for w := range strings.FieldsSeq(l.words) {
			out[w] = append(out[w], uint8(i))
		}
	}
	return out
}()

// telling are the languages, by place in latins, of a letter.
var telling = func() map[rune][]uint8 {
	out := map[rune][]uint8{}
	for i, l := range latins {
		for _, r := range l.letters {
			out[r] = append(out[r], uint8(i))
		}
	}
	return out
}()
