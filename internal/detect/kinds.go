package detect

import "slices"

// kind is one of the built-in kinds.
type kind uint8

const (
	email kind = iota
	phone
	iban
	card

	usSSN
	ukNINO
	deSteuerID
	frNIR
	esDNI
	itCodiceFiscale
	nlBSN
	plPESEL
	sePersonnummer
	beRRN
	chAHV
	brCPF
	inAadhaar
	cnResidentID
	caSIN
	noFNR
	fiHETU

	awsKey
	githubToken
	openAIKey
	anthropicKey
	slackToken
	googleKey
	stripeKey
	apiKey
	privateKey
	jwt
	credential

	kinds // how many there are
)

var names = [kinds]string{
	email: "email", phone: "phone", iban: "iban", card: "card",
	usSSN: "us-ssn", ukNINO: "uk-nino", deSteuerID: "de-steuer-id", frNIR: "fr-nir", esDNI: "es-dni",
	itCodiceFiscale: "it-codice-fiscale", nlBSN: "nl-bsn", plPESEL: "pl-pesel", sePersonnummer: "se-personnummer",
	beRRN: "be-rrn", chAHV: "ch-ahv", brCPF: "br-cpf", inAadhaar: "in-aadhaar", cnResidentID: "cn-resident-id",
	caSIN: "ca-sin", noFNR: "no-fnr", fiHETU: "fi-hetu",
	awsKey: "aws-key", githubToken: "github-token", openAIKey: "openai-key", anthropicKey: "anthropic-key",
	slackToken: "slack-token", googleKey: "google-key", stripeKey: "stripe-key", apiKey: "api-key",
	privateKey: "private-key", jwt: "jwt", credential: "credential",
}

// The groups of kinds that have a name of their own.
const (
	NationalID = "national-id"
	Secret     = "secret"
)

// Kinds lists the built-in kinds by name.
func Kinds() []string { return slices.Clone(names[:]) }

// Groups lists the names that stand for several kinds.
func Groups() []string { return []string{NationalID, Secret} }

// Members are the kinds that a name stands for: itself, or a group's. Nil means
// that there is no such name.
func Members(name string) []string {
	switch {
	case name == NationalID:
		return slices.Clone(names[usSSN:awsKey])
	case name == Secret:
		return slices.Clone(names[awsKey:])
	case slices.Contains(names[:], name):
		return []string{name}
	}
	return nil
}

func kindOf(name string) kind { return kind(slices.Index(names[:], name)) }
