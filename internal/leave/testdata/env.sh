# chat: gpt at openai
export OPENAI_BASE_URL='https://api.openai.com/v1'
: "${OPENAI_API_KEY:?is the key of openai}"
export OPENAI_MODEL='gpt-4o'
# change: the model field says gpt-4o instead of chat
# change: the variant of gpt (workloads.chat.variants.gpt) is applied by the application

# docs: ada at openai
export OPENAI_BASE_URL='https://api.openai.com/v1'
: "${OPENAI_API_KEY:?is the key of openai}"
export OPENAI_MODEL='text-embedding-3-small'
# change: the model field says text-embedding-3-small instead of docs

# gpt-4o: gpt at openai
export OPENAI_BASE_URL='https://api.openai.com/v1'
: "${OPENAI_API_KEY:?is the key of openai}"
export OPENAI_MODEL='gpt-4o'

# local: only an engine that freehold runs could answer: run it by yourself first

# private: llama at cluster
export OPENAI_BASE_URL='http://127.0.0.1:9/v1'
export OPENAI_API_KEY=none # clients want one; the provider does not
export OPENAI_MODEL='meta/llama '\''x'\'''
# change: the model field says meta/llama 'x' instead of private
# change: the headers and query parameters of providers.cluster are sent by the application
# change: the certificates of providers.cluster.tls are used by the application
# change: another model or place answers than at first in freehold: llama at cluster

# words: sonnet at claude
export ANTHROPIC_BASE_URL='https://api.anthropic.com'
export ANTHROPIC_API_KEY="$CLAUDE_ONE"
export ANTHROPIC_MODEL='claude-sonnet-4-5'
# change: the model field says claude-sonnet-4-5 instead of words
