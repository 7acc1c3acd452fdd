//! Safe functions over the AWS-LC calls that aws-lc-rs does not hand out
