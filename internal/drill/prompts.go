package drill

// prompts are members of a chat request in OpenAI's dialect, harmless and of
// several kinds: languages, code, a tool, JSON.
var prompts = []string{
	`"messages":[{"role":"user","content":"In one sentence: what is a lighthouse for?"}]`,
	`"messages":[{"role":"user","content":"Nenne drei Flüsse in Europa, durch Kommas getrennt."}]`,
	`"messages":[{"role":"user","content":"Traduis en anglais : « Le train part à huit heures. »"}]`,
	`"messages":[{"role":"user","content":"¿Cuántos minutos hay en dos horas y media?"}]`,
	`"messages":[{"role":"user","content":"Write a function in Python that tells whether a year is a leap year."}]`,
	`"messages":[{"role":"system","content":"You answer in JSON."},{"role":"user","content":"Give the capitals of Austria and Portugal as a JSON object with the countries as keys."}],"response_format":{"type":"json_object"}`,
	`"messages":[{"role":"user","content":"What is the weather in Lisbon? Use the tool."}],"tools":[{"type":"function","function":{"name":"weather","description":"The weather of a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]`,
	`"messages":[{"role":"user","content":"Pick a fruit."},{"role":"assistant","content":"A pear."},{"role":"user","content":"Say in a few words what it tastes like."}]`,
	`"stream":true,"messages":[{"role":"user","content":"Count from one to twenty in words."}]`,
	`"stream":true,"messages":[{"role":"user","content":"次の文を英語に訳してください：「今日はいい天気です。」"}]`,
}

// A request that is made for a drill has its workload beside it: the model that
// its body names does not count.
const asked = `{"model":"drill",`

// ChatPrompt is the nth request that is made where there are no prompts of one's
// own, in OpenAI's dialect.
func ChatPrompt(n int) []byte {
	return []byte(asked + `"max_tokens":64,` + prompts[n%len(prompts)] + "}")
}

var texts = []string{"The lighthouse stands at the end of the", "Der Zug fährt um acht Uhr nach", "Le marché ouvre le samedi et"}

// CompletionPrompt is the same for completions.
func CompletionPrompt(n int) []byte {
	return []byte(asked + `"max_tokens":64,"prompt":"` + texts[n%len(texts)] + `"}`)
}

// EmbeddingPrompt is the same for embeddings.
func EmbeddingPrompt(n int) []byte {
	return []byte(asked + `"input":"` + texts[n%len(texts)] + `"}`)
}
