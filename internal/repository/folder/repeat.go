package folder

// MaxPasses is how often something is looked at before what is wrong is reported: backups
// may come, change and go while they are looked at.
const MaxPasses = 3

// UntilStable calls pass until that reports that what it saw holds still, or fails, and at
// most [MaxPasses] times. Last says that there is no further one.
func UntilStable(pass func(last bool) (done bool, err error)) error {
	for n := 1; ; n++ {
		done, err := pass(n == MaxPasses)
		if err != nil || done || n == MaxPasses {
			return err
		}
	}
}
